import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ExitCode, GrpoError } from "../errors.js";

/** Scaling of rotary frequencies, keys as in a Hugging Face `rope_parameters` block. */
export interface RopeParameters {
  type: "default" | "linear" | "dynamic" | "llama3" | "yarn";
  theta: number;
  factor?: number;
  originalMaxPositions?: number;
  lowFreqFactor?: number;
  highFreqFactor?: number;
  attentionFactor?: number;
  betaFast?: number;
  betaSlow?: number;
  mscale?: number;
  mscaleAllDim?: number;
  truncate?: boolean;
}

/** Shape of a decoder, from a Hugging Face `config.json`. */
export interface ModelConfig {
  family: "llama" | "qwen2" | "qwen3";
  vocabSize: number;
  hiddenSize: number;
  intermediateSize: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  rmsNormEps: number;
  tieWordEmbeddings: boolean;
  /** Biases of the q, k and v projections. */
  qkvBias: boolean;
  /** Bias of the attention output projection. */
  outputBias: boolean;
  mlpBias: boolean;
  /** RMS norm over each head's q and k (Qwen3). */
  qkNorm: boolean;
  rope: RopeParameters;
  maxPositions: number;
  initializerRange: number;
  /** The file as read, for saving it again. */
  raw: Record<string, unknown>;
}

const families = {
  llama: { qkvBias: (bias: boolean) => bias, outputBias: (bias: boolean) => bias, qkNorm: false },
  qwen2: { qkvBias: () => true, outputBias: () => false, qkNorm: false },
  qwen3: { qkvBias: (bias: boolean) => bias, outputBias: (bias: boolean) => bias, qkNorm: true },
} as const;

/**
 * Reads `config.json` of a model folder.
 *
 * @throws GrpoError GRPO_MODEL (exit code 4) when it is missing, no JSON, or describes an architecture that is not supported
 */
export function readModelConfig(folder: string): ModelConfig {
  const file = join(folder, "config.json");
  let raw: unknown;
  try {
    raw = JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw modelError(
      `${file}: ${code === "ENOENT" ? "no such file" : message}`,
      "give a Hugging Face model folder: config.json, model.safetensors, tokenizer.json",
      cause,
    );
  }
  return parseModelConfig(raw as Record<string, unknown>, file);
}

/** {@link readModelConfig} on a parsed file; `source` is named in errors. */
export function parseModelConfig(raw: Record<string, unknown>, source: string): ModelConfig {
  const family = raw.model_type;
  if (family !== "llama" && family !== "qwen2" && family !== "qwen3") {
    throw modelError(
      `${source}: model_type is ${JSON.stringify(family)}`,
      `this version trains model types ${Object.keys(families).join(", ")}`,
    );
  }
  const number = (key: string, fallback?: number): number => {
    const value = raw[key] ?? fallback;
    if (typeof value !== "number" || !Number.isFinite(value) || value <= 0) {
      throw modelError(`${source}: ${key} is ${JSON.stringify(raw[key])}, expected a positive number`, "mend the file");
    }
    return value;
  };
  if (raw.use_sliding_window === true) {
    throw modelError(`${source}: use_sliding_window is true`, "sliding-window attention is not supported");
  }
  const activation = raw.hidden_act ?? "silu";
  if (activation !== "silu") {
    throw modelError(`${source}: hidden_act is ${JSON.stringify(activation)}`, "the supported activation is silu");
  }
  const hiddenSize = number("hidden_size");
  const heads = number("num_attention_heads");
  const kvHeads = number("num_key_value_heads", heads);
  const headDim = number("head_dim", hiddenSize / heads);
  if (heads % kvHeads !== 0) {
    throw modelError(
      `${source}: num_attention_heads ${heads} is no multiple of num_key_value_heads ${kvHeads}`,
      "mend the file",
    );
  }
  if (!Number.isInteger(headDim) || headDim % 2 !== 0) {
    throw modelError(`${source}: head_dim ${headDim} must be an even whole number`, "mend the file");
  }
  const rules = families[family];
  const bias = raw.attention_bias === true;
  return {
    family,
    vocabSize: number("vocab_size"),
    hiddenSize,
    intermediateSize: number("intermediate_size"),
    layers: number("num_hidden_layers"),
    heads,
    kvHeads,
    headDim,
    rmsNormEps: number("rms_norm_eps", 1e-6),
    tieWordEmbeddings: raw.tie_word_embeddings === true,
    qkvBias: rules.qkvBias(bias),
    outputBias: rules.outputBias(bias),
    mlpBias: raw.mlp_bias === true,
    qkNorm: rules.qkNorm,
    rope: parseRope(raw, number("max_position_embeddings", 2048), source),
    maxPositions: number("max_position_embeddings", 2048),
    initializerRange: number("initializer_range", 0.02),
    raw,
  };
}

/** `rope_parameters` (new files) or `rope_theta` with `rope_scaling` (older ones). */
function parseRope(raw: Record<string, unknown>, maxPositions: number, source: string): RopeParameters {
  const block = (raw.rope_parameters ?? raw.rope_scaling ?? {}) as Record<string, unknown>;
  const type = (block.rope_type ?? block.type ?? "default") as string;
  const theta = (block.rope_theta ?? raw.rope_theta ?? 10000) as number;
  if (block.partial_rotary_factor !== undefined && block.partial_rotary_factor !== 1) {
    throw modelError(`${source}: partial_rotary_factor is not supported`, "use a model that rotates whole heads");
  }
  const optional = (key: string): number | undefined => block[key] as number | undefined;
  const required = (key: string): number => {
    const value = block[key];
    if (typeof value !== "number") throw modelError(`${source}: rope type ${type} needs ${key}`, "mend the file");
    return value;
  };
  switch (type) {
    case "default":
      return { type, theta };
    case "linear":
    case "dynamic":
      return { type, theta, factor: required("factor") };
    case "llama3":
      return {
        type,
        theta,
        factor: required("factor"),
        lowFreqFactor: required("low_freq_factor"),
        highFreqFactor: required("high_freq_factor"),
        originalMaxPositions: required("original_max_position_embeddings"),
      };
    case "yarn": {
      const original =
        optional("original_max_position_embeddings") ??
        (raw.original_max_position_embeddings as number | undefined) ??
        maxPositions;
      return defined({
        type,
        theta,
        factor: optional("factor") ?? maxPositions / original,
        originalMaxPositions: original,
        attentionFactor: optional("attention_factor"),
        betaFast: optional("beta_fast"),
        betaSlow: optional("beta_slow"),
        mscale: optional("mscale"),
        mscaleAllDim: optional("mscale_all_dim"),
        truncate: block.truncate as boolean | undefined,
      });
    }
    default:
      throw modelError(`${source}: rope type "${type}"`, "supported are default, linear, dynamic, llama3, yarn");
  }
}

function defined(parameters: { [K in keyof RopeParameters]: RopeParameters[K] | undefined }): RopeParameters {
  return Object.fromEntries(Object.entries(parameters).filter(([, v]) => v !== undefined)) as unknown as RopeParameters;
}

/** Longest path a model takes: its trained length, times the factor where rope is scaled by the length it meets. */
export function contextLimit({ rope, maxPositions }: ModelConfig): number {
  return rope.type === "dynamic" ? Math.floor(maxPositions * rope.factor!) : maxPositions;
}

/** An error about a model folder: exit code 4. */
export function modelError(message: string, fix: string, cause?: unknown): GrpoError {
  return new GrpoError("GRPO_MODEL", message, { exitCode: ExitCode.data, fix, cause });
}
