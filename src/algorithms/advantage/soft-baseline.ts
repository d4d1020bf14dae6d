import { outcome, spread, trainedGroups } from "../rows.js";
import { mean } from "../statistics.js";
import type { AdvantageEstimator, Row } from "../types.js";
import type { SingleOption } from "./single.js";

export interface SoftBaselineOptions extends SingleOption {
  /** tau; null is its limit at infinity, the mean. */
  temperature: number | null;
  shift: number;
}

/**
 * A_i = R_i - (tau log mean_j exp(R_j / tau) + shift): OPMD (arXiv 2505.17826, section 3.2), and with the mean and a negative
 * shift AsymRE (arXiv 2506.20520, eq. 2). NaN rewards are left out.
 *
 * @returns one advantage per row, and the baseline that was subtracted
 */
export function softBaselineAdvantages(
  rows: readonly Row[],
  options: SoftBaselineOptions,
): { advantages: Float64Array; baselines: Float64Array } {
  const advantages = new Float64Array(rows.length).fill(Number.NaN);
  const baselines = advantages.slice();
  for (const members of trainedGroups(rows)) {
    const rewards = members.map((i) => outcome(rows[i]!));
    const single = members.length === 1;
    if (single && options.single === "zero") continue;
    const baseline = single ? 0 : softMaximum(rewards, options.temperature) + options.shift;
    members.forEach((i, k) => {
      advantages[i] = rewards[k]! - baseline;
      baselines[i] = baseline;
    });
  }
  return { advantages, baselines };
}

/** tau log mean exp(x / tau), or the mean where tau is null; NaN is left out. */
function softMaximum(values: readonly number[], tau: number | null): number {
  if (tau === null) return mean(values);
  const max = values.reduce((a, b) => (b > a || Number.isNaN(a) ? b : a), Number.NaN);
  return max + tau * Math.log(mean(values.map((value) => Math.exp((value - max) / tau))));
}

/** Estimator of {@link softBaselineAdvantages}: every trained action of a row gets the row's advantage. */
export function softBaselineEstimator(options: SoftBaselineOptions): AdvantageEstimator {
  return { needs: {}, estimate: (rows) => spread(rows, softBaselineAdvantages(rows, options).advantages) };
}
