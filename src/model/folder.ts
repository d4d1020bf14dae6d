import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { FloatType } from "../engine/tensor.js";
import type { Decoder } from "./decoder.js";
import { saveWeights } from "./weights.js";

/** Ids of the special tokens a model folder names. */
export interface SpecialIds {
  bosId: number | null;
  padId: number | null;
  endTokenIds: readonly number[];
}

const architectures = { llama: "LlamaForCausalLM", qwen2: "Qwen2ForCausalLM", qwen3: "Qwen3ForCausalLM" } as const;
const dtypes: Record<FloatType, string> = { f32: "float32", bf16: "bfloat16", f64: "float64" };

/**
 * Writes config.json, generation_config.json and model.safetensors: what transformers needs besides the tokenizer.
 *
 * @param folder exists and is empty
 * @param generation the generation_config.json of the folder the model came from, where there was one
 */
export async function saveDecoder(
  decoder: Decoder,
  folder: string,
  generation: Record<string, unknown> | null,
  ids: SpecialIds,
): Promise<void> {
  writeConfig(decoder, folder, {});
  const defaults = {
    ...(ids.bosId !== null && { bos_token_id: ids.bosId }),
    ...(ids.padId !== null && { pad_token_id: ids.padId }),
    ...(ids.endTokenIds.length > 0 && {
      eos_token_id: ids.endTokenIds.length === 1 ? ids.endTokenIds[0] : ids.endTokenIds,
    }),
  };
  writeJson(join(folder, "generation_config.json"), generation ?? defaults);
  await saveWeights(decoder.parameters(), join(folder, "model.safetensors"));
}

/** Writes config.json: as the decoder's was read, with its element type and what `changed` says. */
export function writeConfig(decoder: Decoder, folder: string, changed: Readonly<Record<string, unknown>>): void {
  const raw: Record<string, unknown> = { ...decoder.config.raw, dtype: dtypes[decoder.dtype], ...changed };
  delete raw.torch_dtype;
  writeJson(join(folder, "config.json"), raw);
}

/** generation_config.json of a model folder, or null. */
export function readGenerationConfig(folder: string): Record<string, unknown> | null {
  const file = join(folder, "generation_config.json");
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : null;
}

/**
 * The `config.json` of a model made from an `architecture:` block (keys are Hugging Face's already).
 *
 * @param vocabSize size of the tokenizer, unless the block asks for more rows
 */
export function architectureConfig(
  block: {
    model_type: "llama" | "qwen2" | "qwen3";
    vocab_size?: number | undefined;
    rope_theta: number;
    rope_scaling?: object | undefined;
    hidden_size: number;
    num_attention_heads: number;
    num_key_value_heads?: number | undefined;
    head_dim?: number | undefined;
  },
  vocabSize: number,
  ids: SpecialIds,
): Record<string, unknown> {
  const { rope_theta, rope_scaling, ...rest } = block;
  return {
    architectures: [architectures[block.model_type]],
    hidden_act: "silu",
    attention_dropout: 0,
    ...rest,
    vocab_size: Math.max(block.vocab_size ?? 0, vocabSize),
    num_key_value_heads: block.num_key_value_heads ?? block.num_attention_heads,
    head_dim: block.head_dim ?? block.hidden_size / block.num_attention_heads,
    rope_theta,
    rope_parameters: { rope_type: "default", ...rope_scaling, rope_theta },
    bos_token_id: ids.bosId,
    eos_token_id: ids.endTokenIds[0] ?? null,
    pad_token_id: ids.padId,
  };
}

function writeJson(path: string, value: unknown): void {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}
