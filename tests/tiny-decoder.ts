import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packRows } from "../src/engine/ops/panels.js";
import type { FloatType } from "../src/engine/tensor.js";
import { parseModelConfig } from "../src/model/config.js";
import { Decoder } from "../src/model/decoder.js";
import { partShape } from "../src/model/weights.js";
import { writeCharacterTokenizer } from "../src/tokenizer/character.js";
import { loadTokenizer, type Tokenizer } from "../src/tokenizer/tokenizer.js";
import { randomNumbers } from "./random-rows.js";

/** Shapes on purpose off every vector width: odd vocabulary, heads that share keys, a head dimension of its own. */
const shape = {
  vocab_size: 101,
  hidden_size: 24,
  intermediate_size: 37,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 10,
  max_position_embeddings: 512,
  rms_norm_eps: 1e-6,
  rope_theta: 1000,
  initializer_range: 0.3,
};

/** The decoders that tests run on, by name. */
export const families = {
  "llama, untied": { model_type: "llama", tie_word_embeddings: false },
  "llama with biases, tied": { model_type: "llama", tie_word_embeddings: true, attention_bias: true, mlp_bias: true },
  "qwen2, tied": { model_type: "qwen2", tie_word_embeddings: true },
  "qwen3, untied": { model_type: "qwen3", tie_word_embeddings: false },
} as const;

/**
 * A decoder of random weights, biases and norms included, wide enough that every token differs.
 */
export function tinyDecoder(dtype: FloatType, overrides: Record<string, unknown>, seed = 7): Decoder {
  const config = parseModelConfig({ ...shape, ...overrides }, "tiny");
  const decoder = new Decoder(config, dtype, config.maxPositions);
  const random = randomNumbers(seed);
  for (const parameter of decoder.parameters()) {
    for (const part of parameter.parts) {
      const dimensions = partShape(parameter, part);
      const centre = part.name.endsWith("norm.weight") ? 1 : 0;
      const values = Float32Array.from(
        { length: dimensions.reduce((a, b) => a * b, 1) },
        () => centre + config.initializerRange * (2 * random() - 1),
      );
      packRows(parameter, part.start, values);
    }
  }
  return decoder;
}

/** A tokenizer of single characters: 3 special tokens, then those of `alphabet`. */
export function characterTokenizer(alphabet: string): Tokenizer {
  const folder = mkdtempSync(join(tmpdir(), "grpo-characters-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  writeCharacterTokenizer(folder, alphabet);
  return loadTokenizer(folder);
}

/** 90 different characters. */
export const wideAlphabet = String.fromCharCode(...Array.from({ length: 90 }, (_, i) => 33 + i));

/**
 * A decoder whose next token depends on the last one alone: row i of `logits` are the logits after id i.
 *
 * @param maxLength longest path it takes
 */
export function markovDecoder(dtype: FloatType, logits: readonly (readonly number[])[], maxLength = 512): Decoder {
  const vocab = logits.length;
  const width = Math.ceil(vocab / 4) * 4;
  const config = parseModelConfig(
    {
      ...shape,
      model_type: "llama",
      tie_word_embeddings: false,
      vocab_size: vocab,
      hidden_size: width,
      rms_norm_eps: 1e-12,
    },
    "markov",
  );
  const decoder = new Decoder(config, dtype, maxLength);
  // Layers add nothing: their output projections stay zero. The norm of one-hot embeddings multiplies by sqrt(width).
  const identity = (row: number, column: number) => (row === column ? 1 : 0);
  const fill = (rows: number, value: (row: number, column: number) => number) =>
    Float32Array.from({ length: rows * width }, (_, i) => value(Math.floor(i / width), i % width));
  packRows(decoder.embed, 0, fill(vocab, identity));
  packRows(
    decoder.head,
    0,
    fill(vocab, (row, column) => (logits[column]?.[row] ?? 0) / Math.sqrt(width)),
  );
  packRows(decoder.finalNorm, 0, new Float32Array(width).fill(1));
  return decoder;
}
