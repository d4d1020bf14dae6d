import { outcome, spread, trainedGroups } from "../rows.js";
import type { AdvantageEstimator, Row } from "../types.js";
import type { SingleOption } from "./single.js";

/**
 * RLOO: A_i = R_i - mean of the other rewards of the group (Ahmadian et al. 2024, arXiv 2402.14740, eq. 8).
 * NaN rewards are left out; a row without others gives NaN, or its reward with `single: reward`.
 */
export function leaveOneOutAdvantages(rows: readonly Row[], { single }: SingleOption): Float64Array {
  const advantages = new Float64Array(rows.length).fill(Number.NaN);
  for (const members of trainedGroups(rows)) {
    const rewards = members.map((i) => outcome(rows[i]!));
    const scored = rewards.filter((reward) => !Number.isNaN(reward));
    // Sums of differences from the first reward: a group of equal rewards gives exactly 0.
    const origin = scored[0] ?? Number.NaN;
    const total = scored.reduce((sum, reward) => sum + (reward - origin), 0);
    members.forEach((i, k) => {
      const own = rewards[k]! - origin;
      if (scored.length > 1) advantages[i] = own - (total - own) / (scored.length - 1);
      else if (members.length === 1 && single === "reward") advantages[i] = rewards[k]!;
    });
  }
  return advantages;
}

/** Estimator of {@link leaveOneOutAdvantages}: every trained action of a row gets the row's advantage. */
export function leaveOneOutEstimator(options: SingleOption): AdvantageEstimator {
  return { needs: {}, estimate: (rows) => spread(rows, leaveOneOutAdvantages(rows, options)) };
}
