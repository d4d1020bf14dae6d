import { join } from "node:path";
import type { FloatType } from "../engine/tensor.js";
import { contextLimit, type ModelConfig, modelError, readModelConfig } from "./config.js";
import { Decoder } from "./decoder.js";
import { writeConfig } from "./folder.js";
import { openModelTensors } from "./safetensors.js";
import { ScalarHead } from "./scalar-head.js";
import { loadParameters, saveWeights } from "./weights.js";

/** What a reward model's numbers are. */
export interface RewardLabels {
  /** What it learnt from: pairs of texts (one score without a scale), or labels in [0, 1]. */
  kind: "pairs" | "labels";
  /** Names of its outputs, in order. */
  names: readonly string[];
  /** Whose final hidden state is scored. */
  pooling: "last" | "mean" | "cls";
  activation: "linear" | "sigmoid";
}

/** The part of a reward model that a policy does not have. */
export interface RewardHead {
  scalar: ScalarHead;
  labels: RewardLabels;
}

const architectures = {
  llama: "LlamaForSequenceClassification",
  qwen2: "Qwen2ForSequenceClassification",
  qwen3: "Qwen3ForSequenceClassification",
} as const;

/** Key of config.json with what a Hugging Face classifier does not say of itself. */
const ownKey = "grpo_reward_model";

/** A head with zero weights; only labels have a bias, since pairs cannot teach one. */
export function newRewardHead({ config, dtype }: Decoder, labels: RewardLabels): RewardHead {
  const bias = labels.kind === "labels";
  return { scalar: new ScalarHead(labels.names.length, config.hiddenSize, dtype, { bias }), labels };
}

/** The arrays that a reward model trains: an LM head of its own is not one of them. */
export function rewardParameters(decoder: Decoder, { scalar }: RewardHead) {
  return [...trunk(decoder), ...scalar.parameters()];
}

function trunk(decoder: Decoder) {
  return decoder.parameters().filter((parameter) => parameter === decoder.embed || parameter !== decoder.head);
}

/**
 * Writes config.json and model.safetensors of a Hugging Face sequence classifier. transformers gives the same scores where
 * pooling is `last` and there is no bias, which its classifiers do not have.
 *
 * @param padId a token that no text ends with: transformers scores the last one that is another
 */
export async function saveRewardModel(
  decoder: Decoder,
  head: RewardHead,
  folder: string,
  padId: number | null,
): Promise<void> {
  const { names, ...rest } = head.labels;
  writeConfig(decoder, folder, {
    architectures: [architectures[decoder.config.family]],
    id2label: Object.fromEntries(names.map((name, i) => [i, name])),
    label2id: Object.fromEntries(names.map((name, i) => [name, i])),
    problem_type: "regression",
    pad_token_id: padId,
    [ownKey]: rest,
  });
  await saveWeights(rewardParameters(decoder, head), join(folder, "model.safetensors"));
}

/** What the reward model in a folder says, or null where the folder holds a model of another kind. */
export function readRewardLabels({ raw }: ModelConfig): RewardLabels | null {
  const named = Array.isArray(raw.architectures) ? raw.architectures : [];
  if (!named.some((name) => String(name).endsWith("ForSequenceClassification"))) return null;
  const own = raw[ownKey] as Omit<RewardLabels, "names"> | undefined;
  const count = typeof raw.num_labels === "number" ? raw.num_labels : 2;
  const byId = raw.id2label as Record<string, string> | undefined;
  const ids = byId === undefined ? Array.from({ length: count }, (_, i) => String(i)) : Object.keys(byId);
  const names = ids.map((id) => byId?.[id] ?? `LABEL_${id}`);
  return { kind: "pairs", pooling: "last", activation: "linear", ...own, names };
}

/**
 * Fills a decoder and a new head with the weights of a reward model's folder.
 *
 * @throws GrpoError GRPO_MODEL (exit code 4) when weights are missing, left over or of other shapes
 */
export async function loadRewardWeights(decoder: Decoder, labels: RewardLabels, folder: string): Promise<RewardHead> {
  const head = newRewardHead(decoder, labels);
  const stored = openModelTensors(folder);
  try {
    await loadParameters(rewardParameters(decoder, head), stored, folder, ["lm_head.weight"]);
  } catch (error) {
    head.scalar.dispose();
    throw error;
  }
  return head;
}

/**
 * A frozen reward model: a folder that a reward_model stage wrote, or a Hugging Face sequence classifier.
 *
 * @throws GrpoError GRPO_MODEL (exit code 4) when the folder holds none
 */
export async function loadRewardModel(folder: string): Promise<{ decoder: Decoder; head: RewardHead }> {
  const config = readModelConfig(folder);
  const labels = readRewardLabels(config);
  if (labels === null) {
    throw modelError(
      `${folder}: config.json names ${JSON.stringify(config.raw.architectures ?? null)}, which is no reward model`,
      "give a checkpoint of a reward_model stage, or the folder of a sequence classifier",
    );
  }
  const dtype: FloatType = (config.raw.dtype ?? config.raw.torch_dtype) === "bfloat16" ? "bf16" : "f32";
  // Tied: a model that scores has no LM head, which would be as large as the embedding.
  const decoder = new Decoder({ ...config, tieWordEmbeddings: true }, dtype, contextLimit(config));
  try {
    return { decoder, head: await loadRewardWeights(decoder, labels, folder) };
  } catch (error) {
    decoder.dispose();
    throw error;
  }
}
