import { outcome, spread, trainedGroups } from "../rows.js";
import { mean } from "../statistics.js";
import type { AdvantageEstimator, Row } from "../types.js";
import type { SingleOption } from "./single.js";

export interface GpgOptions extends SingleOption {
  /** Divides the advantages (the published F_norm). */
  norm: number;
}

/**
 * GPG: A_i = alpha (R_i - mean_group R) / norm with alpha = rows / rows whose reward is not 0
 * (Chu et al. 2025, arXiv 2504.02546, eq. 10). NaN rewards are left out.
 */
export function gpgAdvantages(rows: readonly Row[], options: GpgOptions): Float64Array {
  const advantages = new Float64Array(rows.length).fill(Number.NaN);
  const groups = trainedGroups(rows);
  const rewards = rows.map((row) => (row.role === "train" ? outcome(row) : Number.NaN));
  const scored = rewards.filter((reward) => !Number.isNaN(reward));
  const alpha = scored.length / Math.max(scored.filter((reward) => reward !== 0).length, 1);
  for (const members of groups) {
    const single = members.length === 1 && options.single === "reward";
    const center = single ? 0 : mean(members.map((i) => rewards[i]!));
    for (const i of members) advantages[i] = (alpha * (rewards[i]! - center)) / options.norm;
  }
  return advantages;
}

/** Estimator of {@link gpgAdvantages}: every trained action of a row gets the row's advantage. */
export function gpgEstimator(options: GpgOptions): AdvantageEstimator {
  return { needs: {}, estimate: (rows) => spread(rows, gpgAdvantages(rows, options)) };
}
