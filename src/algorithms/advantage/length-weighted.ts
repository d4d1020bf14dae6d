import { outcome, spread, trainedActions, trainedGroups } from "../rows.js";
import type { AdvantageEstimator, Row } from "../types.js";
import type { SingleOption } from "./single.js";

/**
 * OPO: A_i = R_i - sum_j L_j R_j / sum_j L_j, the baseline of least variance for gradients that grow with the length
 * (Hao et al. 2025, arXiv 2505.23585, eq. 8). L = trained actions. NaN rewards are left out.
 */
export function lengthWeightedAdvantages(rows: readonly Row[], { single }: SingleOption): Float64Array {
  const advantages = new Float64Array(rows.length).fill(Number.NaN);
  for (const members of trainedGroups(rows)) {
    const rewards = members.map((i) => outcome(rows[i]!));
    const origin = rewards.find((reward) => !Number.isNaN(reward)) ?? Number.NaN;
    let weighted = 0;
    let length = 0;
    members.forEach((i, k) => {
      if (Number.isNaN(rewards[k]!)) return;
      const actions = trainedActions(rows[i]!);
      weighted += actions * (rewards[k]! - origin);
      length += actions;
    });
    const baseline = members.length > 1 ? weighted / length : single === "reward" ? -origin : 0;
    members.forEach((i, k) => {
      advantages[i] = rewards[k]! - origin - baseline;
    });
  }
  return advantages;
}

/** Estimator of {@link lengthWeightedAdvantages}: every trained action of a row gets the row's advantage. */
export function lengthWeightedEstimator(options: SingleOption): AdvantageEstimator {
  return { needs: {}, estimate: (rows) => spread(rows, lengthWeightedAdvantages(rows, options)) };
}
