import { pairLoss, preferenceAccuracy } from "../algorithms/reward-model/bradley-terry.js";
import { labelLoss } from "../algorithms/reward-model/multi-label.js";
import { correlation, mean } from "../algorithms/statistics.js";
import { addMean } from "../algorithms/tally.js";
import type { MetricLog } from "../algorithms/types.js";
import type { RewardModelConfig } from "../config/schema/reward-model.js";
import type { Stage } from "../config/schema.js";
import { dataError } from "../data/data-error.js";
import type { DataRecord } from "../data/plain.js";
import { buildExamples, templateTexts } from "../data/prompt.js";
import { readRecords, sourceName } from "../data/source.js";
import { lookUp } from "../data/template.js";
import type { RewardLabels } from "../model/reward-model.js";
import type { Episode } from "../tree/episode.js";
import type { LoadedModel } from "./policy-model.js";
import { textEpisodes } from "./scored-texts.js";

/** One row that a reward model learns from: a pair of texts (the better first), or a text with its labels. */
export interface RewardRow {
  episodes: Episode[];
  /** Characters of the responses. */
  lengths: number[];
  /** (labels) in [0, 1], NaN where unknown; none for a pair. */
  targets: Float64Array;
  /** What it counts in the mean: 1 for a pair, the number of known labels. */
  count: number;
}

/** What the outputs of a model trained on this are. */
export function rewardLabels(config: RewardModelConfig): RewardLabels {
  const { kind, pooling } = config;
  if (kind === "pairs") return { kind, names: ["score"], pooling, activation: "linear" };
  return { kind, names: Object.keys(config.labels), pooling, activation: config.activation };
}

/**
 * Reads and tokenises rows; pairs that length or noise would tell apart are left out.
 *
 * @throws GrpoError GRPO_DATA for missing columns, a score that is no number, or when no row is left
 */
export async function readRewardRows(
  { decoder, tokenizer }: LoadedModel,
  { data, reward_model: config }: Stage,
  source: Stage["data"]["train"],
  limit?: number,
): Promise<{ rows: RewardRow[]; text: string }> {
  const all = await readRecords(source);
  const records = limit === undefined ? all : all.slice(0, limit);
  const name = sourceName(source);
  const templates =
    config.kind === "pairs" ? { chosen: config.chosen, rejected: config.rejected } : { response: config.response };
  const texts = Object.entries(templates).map(([key, template]) =>
    templateTexts(records, template, `reward_model.${key}`, name),
  );
  const built = texts.map((completion) =>
    buildExamples(records, {
      tokenizer,
      prompt: data.prompt,
      completion,
      maxPromptTokens: Math.min(data.max_prompt_tokens, decoder.maxLength - 1),
      longPrompts: data.long_prompts,
      source: name,
    }),
  );
  const { examples, summary } = built[0]!;
  const rows = examples.flatMap(({ index }, i): RewardRow[] => {
    const own = texts.map((text) => text(index));
    if (config.kind === "pairs" && !tells(own[0]!, own[1]!, config)) return [];
    const targets = config.kind === "pairs" ? new Float64Array(0) : labelsOf(records[index]!, index, config, name);
    const count = config.kind === "pairs" ? 1 : targets.filter((target) => !Number.isNaN(target)).length;
    const episodes = textEpisodes(
      built.map((side) => ({ ...side.examples[i]!, owner: index })),
      decoder.maxLength,
    );
    return [{ episodes, lengths: own.map((text) => text.length), targets, count }];
  });
  if (rows.length === 0) {
    const fix = "give other data, or raise reward_model.max_length_ratio and reward_model.max_similarity";
    throw dataError(name, null, "no pair is left: the texts of each are alike or differ much in length", fix);
  }
  const dropped = examples.length - rows.length;
  return {
    rows,
    text:
      dropped === 0 ? summary.text : `${summary.text}; ${dropped} pairs left out as too alike or too unlike in length`,
  };
}

/** Whether a pair can teach more than length or noise. */
function tells(chosen: string, rejected: string, { max_length_ratio, max_similarity }: PairsConfig): boolean {
  const [short, long] = [Math.min(chosen.length, rejected.length), Math.max(chosen.length, rejected.length)];
  if (chosen === rejected || (max_length_ratio !== null && long > max_length_ratio * short)) return false;
  if (max_similarity === null) return true;
  let start = 0;
  while (start < short && chosen[start] === rejected[start]) start++;
  let end = 0;
  while (end < short - start && chosen.at(-1 - end) === rejected.at(-1 - end)) end++;
  return (2 * (start + end)) / (short + long) <= max_similarity;
}

/** Scores of a row in [0, 1]; NaN where it has none. */
function labelsOf(record: DataRecord, index: number, { labels }: LabelsConfig, source: string): Float64Array {
  return Float64Array.from(Object.entries(labels), ([name, { column = name, min, max }]) => {
    const value = lookUp(record, column) ?? null;
    if (value === null) return Number.NaN;
    if (typeof value !== "number" || !(value >= min && value <= max)) {
      const what = `column "${column}" holds ${JSON.stringify(value)}, which is no number from ${min} to ${max}`;
      throw dataError(source, index + 1, what, `mend the row, or set min and max of reward_model.labels.${name}`);
    }
    return (value - min) / (max - min);
  });
}

/** Loss of one row, not yet divided by anything, and its gradient with respect to the scores of its texts. */
export function rowLoss({ targets }: RewardRow, scores: readonly Float64Array[], labels: RewardLabels, log: MetricLog) {
  if (labels.kind === "pairs") {
    const margin = scores[0]![0]! - scores[1]![0]!;
    const { loss, dmargin } = pairLoss(margin);
    addMean(log, "pairs/accuracy", margin > 0 ? 1 : 0, 1);
    addMean(log, "pairs/margin", margin, 1);
    return { loss, dscores: [Float64Array.of(dmargin), Float64Array.of(-dmargin)] };
  }
  let loss = 0;
  const dscores = new Float64Array(targets.length);
  targets.forEach((target, k) => {
    if (Number.isNaN(target)) return;
    const label = labelLoss(scores[0]![k]!, target, labels.activation);
    loss += label.loss;
    dscores[k] = label.dz;
    addMean(log, `labels/${labels.names[k]}/error`, label.loss, 1);
  });
  return { loss, dscores: [dscores] };
}

/** How well scores of rows that were not trained on tell good from bad. */
export function judgeScores(
  rows: readonly RewardRow[],
  scores: readonly (readonly Float64Array[])[],
  labels: RewardLabels,
): Record<string, number> {
  if (labels.kind === "pairs") {
    const side = (values: (row: RewardRow, i: number) => ArrayLike<number>, k: number) =>
      rows.map((row, i) => values(row, i)[k]!);
    const own = (_: RewardRow, i: number) => scores[i]!.map(([score]) => score!);
    const lengths = (row: RewardRow) => row.lengths;
    return {
      accuracy: preferenceAccuracy(side(own, 0), side(own, 1)).accuracy,
      // What the longer text alone would score: near the accuracy, the model may have learnt length.
      length_accuracy: preferenceAccuracy(side(lengths, 0), side(lengths, 1)).accuracy,
    };
  }
  const metrics: Record<string, number> = {};
  labels.names.forEach((name, k) => {
    const known = [...rows.keys()].filter((i) => !Number.isNaN(rows[i]!.targets[k]!));
    const targets = known.map((i) => rows[i]!.targets[k]!);
    const predictions = known.map((i, n) => labelLoss(scores[i]![0]![k]!, targets[n]!, labels.activation).prediction);
    metrics[`${name}/mse`] = mean(predictions.map((value, n) => (value - targets[n]!) ** 2));
    metrics[`${name}/correlation`] = correlation(predictions, targets);
  });
  return Object.fromEntries(Object.entries(metrics).filter(([, value]) => Number.isFinite(value)));
}

type PairsConfig = Extract<RewardModelConfig, { kind: "pairs" }>;
type LabelsConfig = Extract<RewardModelConfig, { kind: "labels" }>;
