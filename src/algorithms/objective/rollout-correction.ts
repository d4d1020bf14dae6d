import type { PolicyConfig } from "../../config/schema/objective.js";
import { clamp } from "../statistics.js";
import type { Row } from "../types.js";
import { maskedSum, maskSum } from "./aggregation.js";

export type RolloutCorrectionConfig = NonNullable<PolicyConfig["rollout_correction"]>;

/** Bound on log-ratios before they are exponentiated, as in verl. */
const LOG_RATIO_LIMIT = 20;

/**
 * Log-ratio old / sampling policy of each trained action; 0 where the sampler gave no number, so that the weight is 1.
 *
 * @throws Error when a row lacks one of the two
 */
export function rolloutLogRatio(row: Row, mask: Uint8Array): Float64Array {
  const { old, rollout } = row;
  if (old === undefined || rollout === undefined) throw new Error("rollout correction needs old and rollout log-probs");
  return old.map((value, t) => {
    const difference = value - rollout[t]!;
    return mask[t] === 1 && !Number.isNaN(difference) ? difference : 0;
  });
}

/**
 * Importance weights w = exp(old - rollout), per action or exp of the row's sum, truncated to the bounds or 0 outside
 * (truncated importance sampling; TRL's and verl's rollout correction). 1 on actions that are not trained.
 */
export function rolloutWeights(
  rows: readonly Row[],
  masks: readonly Uint8Array[],
  config: RolloutCorrectionConfig,
): Float64Array[] {
  const min = config.min ?? Number.NEGATIVE_INFINITY;
  const max = config.max ?? Number.POSITIVE_INFINITY;
  const bound = (logRatio: number) => {
    const weight = Math.exp(clamp(logRatio, -LOG_RATIO_LIMIT, LOG_RATIO_LIMIT));
    if (config.mode === "truncate") return clamp(weight, min, max);
    return weight < min || weight > max ? 0 : weight;
  };
  const weights = rows.map((row, i) => {
    const mask = masks[i]!;
    const logRatio = rolloutLogRatio(row, mask);
    if (config.unit === "token") return logRatio.map((value, t) => (mask[t] === 1 ? bound(value) : 1));
    return new Float64Array(row.length).fill(bound(maskedSum(logRatio, mask)));
  });
  return config.normalize ? divideByMean(weights, masks, config.unit) : weights;
}

/** Weights over their mean: over trained actions, or over rows that have any. */
function divideByMean(weights: Float64Array[], masks: readonly Uint8Array[], unit: "token" | "sequence") {
  let sum = 0;
  let count = 0;
  weights.forEach((values, i) => {
    const actions = maskSum(masks[i]!);
    if (actions === 0) return;
    sum += unit === "token" ? maskedSum(values, masks[i]!) : maskedSum(values, masks[i]!) / actions;
    count += unit === "token" ? actions : 1;
  });
  const center = sum / Math.max(count, 1);
  return center > 1e-8 ? weights.map((values) => values.map((value) => value / center)) : weights;
}
