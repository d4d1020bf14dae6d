import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { packRows, unpackRows } from "../engine/ops/panels.js";
import type { Parameter, Part } from "../engine/parameter.js";
import { fillNormal } from "../engine/random.js";
import { type FloatType, Tensor } from "../engine/tensor.js";
import { yieldPoint } from "../engine/yield.js";
import { modelError, readModelConfig } from "./config.js";
import { Decoder } from "./decoder.js";
import { openModelTensors, type StoredTensor, safetensorsHeader, storedElements } from "./safetensors.js";

/**
 * Loads a decoder from a Hugging Face folder: weights are converted to `dtype` and packed; the file stays mapped only meanwhile.
 *
 * @param maxLength longest path the run allows
 * @throws GrpoError GRPO_MODEL (exit code 4) when the folder is incomplete, damaged or of another shape than its config says
 */
export async function loadDecoder(folder: string, dtype: FloatType, maxLength: number): Promise<Decoder> {
  const config = readModelConfig(folder);
  const stored = openModelTensors(folder);
  const decoder = new Decoder(config, dtype, maxLength);
  try {
    await loadParameters(decoder.parameters(), stored, folder, config.tieWordEmbeddings ? ["lm_head.weight"] : []);
  } catch (error) {
    decoder.dispose();
    throw error;
  }
  return decoder;
}

/** Fills parameters from stored tensors; every part must be there in its shape, and nothing may be left over but `ignored`. */
export async function loadParameters(
  parameters: readonly Parameter[],
  stored: ReadonlyMap<string, StoredTensor>,
  source: string,
  ignored: readonly string[],
): Promise<void> {
  const unused = new Set(stored.keys());
  for (const name of ignored) unused.delete(name);
  const missing: string[] = [];
  for (const parameter of parameters) {
    for (const part of parameter.parts) {
      const tensor = stored.get(part.name);
      if (tensor === undefined) {
        missing.push(part.name);
        continue;
      }
      unused.delete(part.name);
      const shape = partShape(parameter, part);
      if (tensor.shape.length !== shape.length || tensor.shape.some((n, i) => n !== shape[i])) {
        throw modelError(
          `${source}: tensor "${part.name}" has shape [${tensor.shape}], config.json asks for [${shape}]`,
          part.name.includes("embed_tokens") || part.name.includes("lm_head")
            ? "vocab_size in config.json and the rows of the weights must be equal"
            : "config.json and the weights do not belong together",
        );
      }
      packRows(parameter, part.start, storedElements(tensor));
      const pause = yieldPoint();
      if (pause !== undefined) await pause;
    }
  }
  const rest = [...unused].filter((name) => !name.endsWith("rotary_emb.inv_freq"));
  if (missing.length > 0 || rest.length > 0) {
    const list = (names: string[]) =>
      `${names.slice(0, 3).join(", ")}${names.length > 3 ? `, ... (${names.length})` : ""}`;
    const what = [
      missing.length > 0 ? `missing ${list(missing)}` : "",
      rest.length > 0 ? `not used by this architecture: ${list(rest)}` : "",
    ];
    throw modelError(
      `${source}: weights do not fit config.json: ${what.filter(Boolean).join("; ")}`,
      "give a complete folder of a supported architecture",
    );
  }
}

/** Random weights: normal with the config's `initializer_range`, norms 1, biases 0; the same for the same seed. */
export function initialiseDecoder(decoder: Decoder, seed: number): void {
  let stream = 0;
  for (const parameter of decoder.parameters()) {
    for (const part of parameter.parts) {
      stream += 1;
      const shape = partShape(parameter, part);
      const rows = new Tensor("f32", shape);
      if (shape.length > 1) fillNormal(rows, decoder.config.initializerRange, [seed, stream]);
      else rows.write(new Float32Array(rows.size).fill(part.name.endsWith("norm.weight") ? 1 : 0));
      packRows(parameter, part.start, rows);
      rows.dispose();
    }
  }
}

/** Shape of a part in its Hugging Face file. */
export function partShape(parameter: Parameter, part: Part): number[] {
  return parameter.shape.length === 1 ? [part.rows] : [part.rows, parameter.shape[1]!];
}

/** Writes parameters to a safetensors file under their Hugging Face names, one part at a time. */
export async function saveWeights(parameters: readonly Parameter[], path: string): Promise<void> {
  const names = { f32: "F32", bf16: "BF16", f64: "F64" } as const;
  const parts = parameters.flatMap((parameter) => parameter.parts.map((part) => ({ parameter, part })));
  const file = openSync(path, "w");
  try {
    writeAll(
      file,
      safetensorsHeader(
        parts.map(({ parameter, part }) => ({
          name: part.name,
          dtype: names[parameter.dtype],
          shape: partShape(parameter, part),
        })),
      ),
    );
    for (const { parameter, part } of parts) {
      const rows = unpackRows(parameter, part.start, part.rows);
      const raw = rows.read();
      rows.dispose();
      writeAll(file, new Uint8Array(raw.buffer, raw.byteOffset, raw.byteLength));
      const pause = yieldPoint();
      if (pause !== undefined) await pause;
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; )
    done += writeSync(file, bytes, done, Math.min(bytes.length - done, 1 << 30));
}

/** Writes named tensors as they lie in memory (a bf16 tensor as its 16 bits) to one safetensors file. */
export async function saveTensors(tensors: Readonly<Record<string, Tensor>>, path: string): Promise<void> {
  const names = { f32: "F32", bf16: "BF16", f64: "F64", i32: "I32", u8: "U8" } as const;
  const file = openSync(path, "w");
  try {
    const entries = Object.entries(tensors).map(([name, { dtype, size }]) => ({
      name,
      dtype: names[dtype],
      shape: [size],
    }));
    writeAll(file, safetensorsHeader(entries));
    for (const tensor of Object.values(tensors)) {
      const raw = tensor.read();
      writeAll(file, new Uint8Array(raw.buffer, raw.byteOffset, raw.byteLength));
      const pause = yieldPoint();
      if (pause !== undefined) await pause;
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
