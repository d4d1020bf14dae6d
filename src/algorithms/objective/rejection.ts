import type { PolicyConfig } from "../../config/schema/objective.js";
import type { Row } from "../types.js";
import { maskedSum, maskSum } from "./aggregation.js";
import { rolloutLogRatio } from "./rollout-correction.js";

export type RejectionConfig = PolicyConfig["rejection"][number];

/**
 * Masks without the actions or rows where the sampling policy is too far from old (verl's rollout rejection). With
 * x = old - rollout, measured on actions, or as sum, mean or maximum over a row:
 *   k1 = -x, whose exp (sampling / old) must lie in [min, max];  k2 = x^2 / 2 and k3 = exp(x) - 1 - x at most max.
 */
export function rejectionMasks(rows: readonly Row[], configs: readonly RejectionConfig[]): Uint8Array[] {
  return rows.map((row) => {
    const logRatio = rolloutLogRatio(row, row.mask);
    return configs.reduce<Uint8Array>((mask, config) => reject(mask, row.mask, logRatio, config), row.mask);
  });
}

function reject(mask: Uint8Array, trained: Uint8Array, logRatio: Float64Array, config: RejectionConfig): Uint8Array {
  const values = logRatio.map((x) => estimate(x, config.estimator));
  if (config.unit === "token") return mask.map((on, t) => (on === 1 && accepts(values[t]!, config) ? 1 : 0));
  const measured = { sequence_sum: rowSum, sequence_mean: rowMean, sequence_max: rowMax }[config.unit](values, trained);
  return accepts(measured, config) ? mask : new Uint8Array(mask.length);
}

function estimate(x: number, estimator: RejectionConfig["estimator"]): number {
  if (estimator === "k1") return -x;
  return estimator === "k2" ? (x * x) / 2 : Math.exp(x) - 1 - x;
}

function accepts(value: number, { estimator, min, max }: RejectionConfig): boolean {
  if (estimator !== "k1") return value <= max;
  const ratio = Math.exp(value);
  return ratio >= (min ?? 1 / max) && ratio <= max;
}

const rowSum = maskedSum;
const rowMean = (values: Float64Array, mask: Uint8Array) => maskedSum(values, mask) / Math.max(maskSum(mask), 1);
const rowMax = (values: Float64Array, mask: Uint8Array) =>
  values.reduce((max, value, t) => (mask[t] === 1 ? Math.max(max, value) : max), Number.NEGATIVE_INFINITY);
