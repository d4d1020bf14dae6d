import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AdamW } from "../engine/adamw.js";
import type { Tensor } from "../engine/tensor.js";
import { ExitCode, GrpoError } from "../errors.js";
import { readModelConfig } from "../model/config.js";
import { saveDecoder } from "../model/folder.js";
import { loadRewardWeights, readRewardLabels, saveRewardModel } from "../model/reward-model.js";
import { openModelTensors, openSafetensors, rawElements } from "../model/safetensors.js";
import { loadValueHead, saveValueHead } from "../model/scalar-head.js";
import { loadParameters, saveTensors } from "../model/weights.js";
import { publishDir } from "../report/atomic.js";
import { onDisk } from "../report/disk-error.js";
import { pruneCheckpoints, type RunFolder, stepName } from "../report/run-folder.js";
import type { LoadedModel } from "./policy-model.js";

/** Everything of a run that is not in its weights; plain JSON, so that a resumed run goes on to the bit. */
export interface RunState {
  /** Steps done, over all stages. */
  step: number;
  /** Index of the stage, and how many of its steps are done. */
  stage: number;
  stageStep: number;
  /** Optimizer steps the weights have seen. */
  version: number;
  /** Steps the stage's optimizer has taken. */
  optimizerSteps: number;
  /** Tokens of all updates, shared prompts counted once per completion. */
  tokens: number;
  /** Best value of `checkpoint.keep_best` so far and its step. */
  best: { value: number; step: number } | null;
  /** State of samplers, controllers and other stateful parts of the stage, by name. */
  components: Record<string, unknown>;
  /** The configuration that made it, and the instruction set it ran on. */
  config: unknown;
  isa: string;
}

/** A model beside the policy as a checkpoint keeps it. */
export interface SavedModel {
  model: LoadedModel;
  /** What weights of the model's type cannot say, by parameter; kept in extra.safetensors. */
  extra: Readonly<Record<string, Tensor>>;
}

/** What a checkpoint is made from. */
export interface Snapshot {
  model: LoadedModel;
  optimizer: AdamW | null;
  state: RunState;
  /** Models of the stage that cannot be loaded again from elsewhere, by folder below trainer/. */
  models: Readonly<Record<string, SavedModel>>;
}

/**
 * Writes `checkpoints/step-NNNNNN`: a Hugging Face folder plus `trainer/`. It appears whole or not at all.
 *
 * @throws GrpoError GRPO_DISK (exit code 4) where the disk refuses
 */
export async function saveCheckpoint(folder: RunFolder, snapshot: Snapshot): Promise<string> {
  const final = join(folder.checkpoints, stepName(snapshot.state.step));
  const temporary = join(folder.checkpoints, `.${stepName(snapshot.state.step)}.tmp`);
  const trainer = join(temporary, "trainer");
  try {
    rmSync(temporary, { recursive: true, force: true });
    mkdirSync(trainer, { recursive: true });
    await saveModel(snapshot.model, temporary);
    for (const [name, { model, extra }] of Object.entries(snapshot.models)) {
      const modelFolder = join(trainer, name);
      mkdirSync(modelFolder, { recursive: true });
      await saveModel(model, modelFolder);
      if (Object.keys(extra).length > 0) await saveTensors(extra, join(modelFolder, "extra.safetensors"));
    }
    if (snapshot.optimizer !== null)
      await saveTensors(snapshot.optimizer.state().tensors, join(trainer, "optimizer.safetensors"));
    writeFileSync(join(trainer, "state.json"), `${JSON.stringify(snapshot.state)}\n`);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    return onDisk(final, () => {
      throw error;
    });
  }
  publishDir(temporary, final);
  return final;
}

/** Writes a complete Hugging Face folder: config, weights, tokenizer; a value head in a file of its own, or a reward model. */
export async function saveModel(model: LoadedModel, folder: string): Promise<void> {
  const { decoder, tokenizer, generation, valueHead, rewardHead } = model;
  if (rewardHead != null) await saveRewardModel(decoder, rewardHead, folder, paddingId(tokenizer));
  else await saveDecoder(decoder, folder, generation, tokenizer);
  if (valueHead != null) await saveValueHead(valueHead, folder);
  tokenizer.save(folder);
}

/** A token for padding that ends no text. */
function paddingId({ padId, bosId, endTokenIds }: LoadedModel["tokenizer"]): number | null {
  return padId !== null && !endTokenIds.includes(padId) ? padId : bosId;
}

/** Removes old checkpoints: the last ones and the best stay. */
export function pruneOld(folder: RunFolder, keepLast: number, state: RunState): void {
  pruneCheckpoints(folder.path, keepLast, state.best === null ? [] : [state.best.step]);
}

/** State of a checkpoint folder. */
export function readState(checkpoint: string): RunState {
  const file = join(checkpoint, "trainer", "state.json");
  try {
    // Checkpoints of earlier versions did not count tokens.
    return { tokens: 0, ...JSON.parse(readFileSync(file, "utf8")) };
  } catch (cause) {
    throw new GrpoError("GRPO_CHECKPOINT", `${file}: ${(cause as Error).message}`, {
      exitCode: ExitCode.data,
      fix: "the checkpoint has no trainer state; resume from another one, or start a new run from it with model.path",
      cause,
    });
  }
}

/** Loads the model's weights of a checkpoint, those of its heads with them. */
export async function restoreWeights(model: LoadedModel, checkpoint: string): Promise<void> {
  const labels = readRewardLabels(readModelConfig(checkpoint));
  if (labels !== null) {
    model.rewardHead = await loadRewardWeights(model.decoder, labels, checkpoint);
    return;
  }
  await loadParameters(model.decoder.parameters(), openModelTensors(checkpoint), checkpoint, []);
  model.valueHead?.dispose();
  model.valueHead = await loadValueHead(checkpoint, model.decoder);
}

/** Loads moments and the low halves of master weights. */
export function restoreOptimizer(optimizer: AdamW, checkpoint: string): void {
  const stored = openSafetensors(join(checkpoint, "trainer", "optimizer.safetensors"));
  const tensors = Object.fromEntries([...stored].map(([name, tensor]) => [name, rawElements(tensor)]));
  optimizer.load({ steps: readState(checkpoint).optimizerSteps, tensors });
}
