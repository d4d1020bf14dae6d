import { readFileSync } from "node:fs";
import { join } from "node:path";
import { modelError } from "./config.js";

/** Shape of a BERT-style encoder, from a Hugging Face `config.json`. */
export interface EncoderConfig {
  vocabSize: number;
  hiddenSize: number;
  intermediateSize: number;
  layers: number;
  heads: number;
  headDim: number;
  layerNormEps: number;
  activation: "none" | "tanh";
  /** Rows of the position table. */
  positions: number;
  /** Position of the first token: 0 in BERT, the padding id + 1 in RoBERTa. */
  firstPosition: number;
  tokenTypes: number;
}

const activations: Readonly<Record<string, EncoderConfig["activation"]>> = {
  gelu: "none",
  gelu_new: "tanh",
  gelu_pytorch_tanh: "tanh",
};

/**
 * Reads `config.json` of an encoder folder: model types `bert`, `roberta`, `xlm-roberta`.
 *
 * @throws GrpoError GRPO_MODEL (exit code 4) when it is missing, no JSON, or describes something else
 */
export function readEncoderConfig(folder: string): EncoderConfig {
  const file = join(folder, "config.json");
  let raw: Record<string, unknown>;
  try {
    raw = JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    throw modelError(`${file}: ${(cause as Error).message}`, "give the Hugging Face folder of an encoder", cause);
  }
  const type = raw.model_type;
  if (type !== "bert" && type !== "roberta" && type !== "xlm-roberta") {
    throw modelError(`${file}: model_type is ${JSON.stringify(type)}`, "encoders are bert, roberta and xlm-roberta");
  }
  const number = (key: string, fallback?: number): number => {
    const value = raw[key] ?? fallback;
    if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
    throw modelError(`${file}: ${key} is ${JSON.stringify(raw[key])}, expected a positive number`, "mend the file");
  };
  const activation = activations[String(raw.hidden_act ?? "gelu")];
  if (activation === undefined) {
    throw modelError(`${file}: hidden_act is ${JSON.stringify(raw.hidden_act)}`, "the supported activation is gelu");
  }
  if ((raw.position_embedding_type ?? "absolute") !== "absolute") {
    throw modelError(`${file}: positions are ${raw.position_embedding_type}`, "the supported positions are absolute");
  }
  const hiddenSize = number("hidden_size");
  const heads = number("num_attention_heads");
  if (hiddenSize % heads !== 0) {
    throw modelError(
      `${file}: hidden_size ${hiddenSize} is no multiple of num_attention_heads ${heads}`,
      "mend the file",
    );
  }
  return {
    vocabSize: number("vocab_size"),
    hiddenSize,
    intermediateSize: number("intermediate_size"),
    layers: number("num_hidden_layers"),
    heads,
    headDim: hiddenSize / heads,
    layerNormEps: number("layer_norm_eps", 1e-12),
    activation,
    positions: number("max_position_embeddings"),
    firstPosition: type === "bert" ? 0 : Number(raw.pad_token_id ?? 1) + 1,
    tokenTypes: number("type_vocab_size"),
  };
}
