import type { ShapeConfig } from "../../config/schema/shape.js";
import { answerMask } from "../answer-mask.js";
import { trainedGroups } from "../rows.js";
import { mean } from "../statistics.js";
import { addMean } from "../tally.js";
import type { MetricLog, RewardShaper, Row } from "../types.js";

type ConsistencyConfig = Extract<ShapeConfig[number], { kind: "consistency" }>;

/** Keeps the mean over no answer tokens finite: such a row has confidence 1. */
const COUNT_EPSILON = 1e-6;

/**
 * GRPO-CARE (arXiv 2506.16141, section 4), with p_i = exp(mean of the reference's log-probs on the answer), at most `upper`:
 *   S = { i : acc_i > minimum, acc_i >= mean acc },  b_i = coefficient acc_i [i in S and p_i >= mean_S p - margin]
 * of one group. `length` adds its bonus to accurate rows of wanted length where at least two rows are accurate.
 */
export function consistencyBonus(
  accuracy: readonly number[],
  confidence: readonly number[],
  config: ConsistencyConfig,
) {
  const center = mean(accuracy);
  const selected = accuracy.map((value) => value > config.minimum && value >= center);
  const threshold = mean(confidence.filter((_, i) => selected[i]));
  const bonus = confidence.map((p, i) =>
    selected[i] && p >= threshold - config.margin ? config.coefficient * accuracy[i]! : 0,
  );
  return { selected, threshold, bonus };
}

/** Geometric mean of the probabilities of the tokens where the mask is 1; 1 where it is nowhere. */
export function answerConfidence(logp: Float64Array, mask: Uint8Array): number {
  let sum = 0;
  let count = 0;
  for (let t = 0; t < mask.length; t++) {
    if (mask[t] !== 1) continue;
    sum += logp[t]!;
    count += 1;
  }
  return Math.exp(sum / (count + COUNT_EPSILON));
}

/** Adds {@link consistencyBonus} to the rewards. */
export function consistencyShaper(config: ConsistencyConfig): RewardShaper {
  return {
    needs: { reference: config.model, pieces: true },
    shape: (rows, log) => {
      for (const members of trainedGroups(rows)) {
        const group = members.map((i) => rows[i]!);
        const accuracy = group.map((row) => rowAccuracy(row, config.accuracy));
        const confidence = group.map((row) =>
          Math.min(rowConfidence(row, config), config.upper ?? Number.POSITIVE_INFINITY),
        );
        const { selected, threshold, bonus } = consistencyBonus(accuracy, confidence, config);
        const accurate = accuracy.map((value) => value > config.minimum);
        group.forEach((row, k) => {
          row.reward +=
            bonus[k]! + lengthBonus(row.length, accurate[k]!, accurate.filter(Boolean).length, config.length);
        });
        record(log, { accurate, confidence, selected, threshold, bonus });
      }
    },
  };
}

function rowAccuracy(row: Row, name: string | null): number {
  if (name === null) return row.reward;
  return row.components[name]?.values[0] ?? Number.NaN;
}

function rowConfidence({ reference, pieces, terminated }: Row, config: ConsistencyConfig): number {
  if (reference === undefined || pieces === undefined)
    throw new Error("consistency needs reference log-probs and pieces");
  return answerConfidence(reference, answerMask(pieces, terminated, config));
}

function lengthBonus(length: number, accurate: boolean, count: number, wanted: ConsistencyConfig["length"]): number {
  if (wanted === null || !accurate || count < 2) return 0;
  return length >= (wanted.min ?? 0) && length <= (wanted.max ?? Number.POSITIVE_INFINITY) ? wanted.bonus : 0;
}

interface Seen extends ReturnType<typeof consistencyBonus> {
  accurate: boolean[];
  confidence: number[];
}

function record(log: MetricLog | undefined, { accurate, confidence, selected, threshold, bonus }: Seen): void {
  const count = accurate.length;
  const right = accurate.filter(Boolean).length;
  confidence.forEach((p, k) => {
    addMean(log, `consistency/confidence_${accurate[k] ? "correct" : "incorrect"}`, p, 1);
  });
  addMean(log, "consistency/bonus_rate", bonus.filter((value) => value > 0).length, count);
  addMean(log, "consistency/selected", selected.filter(Boolean).length, 1);
  if (!Number.isNaN(threshold)) addMean(log, "consistency/threshold", threshold, 1);
  addMean(log, "consistency/all_correct", right === count ? 1 : 0, 1);
  addMean(log, "consistency/all_wrong", right === 0 ? 1 : 0, 1);
}
