import { correlation, mean, standardDeviation } from "../statistics.js";
import { addMean } from "../tally.js";
import type { Tally } from "../types.js";

/**
 * Regression of one group (Park et al. 2025, arXiv 2506.07464, eq. 7 to 9):
 *   z_i = (rho_i - mean rho) / sqrt(var rho + smooth^2),  loss = mean_i (A_i - z_i)^2
 * with the population variance; `detachStd` holds the denominator fixed in the gradient.
 *
 * @returns the loss of each row before the mean, z, and the gradient of the mean with respect to rho
 */
export function regressGroup(
  target: ArrayLike<number>,
  rho: ArrayLike<number>,
  smooth: number,
  detachStd: boolean,
): { loss: Float64Array; predicted: Float64Array; drho: Float64Array } {
  const size = rho.length;
  const center = mean(rho);
  const scale = Math.sqrt(standardDeviation(rho, "population") ** 2 + smooth ** 2);
  const predicted = Float64Array.from(rho, (value) => (scale === 0 ? 0 : (value - center) / scale));
  const loss = predicted.map((z, i) => (target[i]! - z) ** 2);
  const dz = predicted.map((z, i) => (-2 * (target[i]! - z)) / size);
  const meanDz = mean(dz);
  const through = detachStd ? 0 : dz.reduce((sum, g, i) => sum + g * predicted[i]!, 0) / size;
  const drho = dz.map((g, i) => (scale === 0 ? 0 : (g - meanDz - predicted[i]! * through) / scale));
  return { loss, predicted, drho };
}

/** Deviation of a group's log-ratios, and their correlation with the advantages (NaN where either does not vary). */
export interface GroupRecord {
  deviation: number;
  correlation: number;
}

/** The {@link GroupRecord} of one group. */
export function groupRecord(target: ArrayLike<number>, rho: ArrayLike<number>): GroupRecord {
  return { deviation: standardDeviation(rho, "population"), correlation: correlation(target, rho) };
}

/** Adds a group's record to the metrics; nothing for a row that is not the first of its group. */
export function recordGroup(group: GroupRecord | undefined, tally: Tally): void {
  if (group === undefined) return;
  addMean(tally, "reg/rho_std", group.deviation, 1);
  if (Number.isFinite(group.correlation)) addMean(tally, "reg/correlation", group.correlation, 1);
}
