import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { Graph } from "../engine/graph.js";
import { linearLogprob } from "../engine/ops/linear-logprob.js";
import { ExitCode, GrpoError } from "../errors.js";
import type { Decoder } from "../model/decoder.js";
import { onDisk } from "../report/disk-error.js";
import { saveModel } from "./checkpoint.js";
import type { ExportOptions } from "./options.js";
import { type LoadedModel, loadModelFolder } from "./policy-model.js";

/**
 * Writes a checkpoint as a Hugging Face folder without the trainer's state. It appears whole or not at all.
 *
 * @throws GrpoError GRPO_EXPORT (exit code 4) when the target exists, GRPO_VERIFY (exit code 1) when what was written differs
 */
export async function exportCheckpoint(options: ExportOptions): Promise<void> {
  const out = resolve(options.out);
  if (existsSync(out) && readdirSync(out).length > 0) {
    throw new GrpoError("GRPO_EXPORT", `${out} is there already`, {
      exitCode: ExitCode.data,
      fix: "name a folder that does not exist",
    });
  }
  const model = await loadModelFolder(options.checkpoint);
  try {
    const temporary = join(dirname(out), `.${basename(out)}.tmp`);
    try {
      onDisk(temporary, () => {
        rmSync(temporary, { recursive: true, force: true });
        mkdirSync(temporary, { recursive: true });
      });
      await saveModel(model, temporary);
      onDisk(out, () => {
        rmSync(out, { recursive: true, force: true });
        renameSync(temporary, out);
      });
    } catch (error) {
      rmSync(temporary, { recursive: true, force: true });
      return onDisk(out, () => {
        throw error;
      });
    }
    console.log(`wrote ${out}`);
    if (options.verify) await verify(model, out);
  } finally {
    model.decoder.dispose();
  }
}

/** Loads what was written and compares log-probs of every next token on a fixed text. */
async function verify(model: LoadedModel, folder: string): Promise<void> {
  const again = await loadModelFolder(folder);
  try {
    const ids = Int32Array.from(
      { length: Math.min(32, model.decoder.maxLength) },
      (_, i) => (i * 7919 + 1) % Math.min(model.tokenizer.size, model.decoder.config.vocabSize),
    );
    const [want, got] = [await logprobs(model.decoder, ids), await logprobs(again.decoder, ids)];
    const worst = want.reduce((max, value, i) => Math.max(max, Math.abs(value - got[i]!)), 0);
    if (!(worst <= 1e-4)) {
      throw new GrpoError("GRPO_VERIFY", `${folder}: log-probs differ from the checkpoint's by ${worst}`, {
        exitCode: ExitCode.failure,
        fix: "the disk or the checkpoint is damaged; export again to another place",
      });
    }
    console.log(`verified: log-probs of the written folder differ by at most ${worst}`);
  } finally {
    again.decoder.dispose();
  }
}

/** Log-probs of every id after every position: (ids, vocabulary). */
async function logprobs(decoder: Decoder, ids: Int32Array): Promise<Float64Array> {
  const vocabulary = decoder.config.vocabSize;
  const rows = ids.length;
  const g = new Graph({ grad: false });
  try {
    const position = Int32Array.from(ids, (_, i) => i);
    const plan = {
      rows,
      position,
      table: new Int32Array(rows),
      tableStart: Int32Array.of(0, 1),
      blocks: Int32Array.of(0),
      writeBlock: new Int32Array(rows),
      copies: new Int32Array(0),
    };
    const hidden = await decoder.forward(g, { tokens: ids, plan, blocks: 1 });
    const { logp } = linearLogprob(g, hidden, decoder.head, {
      rows: Int32Array.from({ length: rows * vocabulary }, (_, i) => Math.floor(i / vocabulary)),
      ids: Int32Array.from({ length: rows * vocabulary }, (_, i) => i % vocabulary),
      temperature: 1,
      vocabSize: vocabulary,
    });
    return logp.toArray();
  } finally {
    g.dispose();
  }
}
