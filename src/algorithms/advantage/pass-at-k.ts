import { outcome, spread, trainedGroups } from "../rows.js";
import { type Deviation, standardDeviation } from "../statistics.js";
import type { AdvantageEstimator, Row } from "../types.js";

export interface PassAtKOptions {
  scale: "group" | "none";
  std: Deviation;
  epsilon: number;
}

/**
 * Only the best row of a group learns: A = R_max - R_second, divided by (std + epsilon) with `scale: group`; ties go to
 * the first row and give 0 (as in verl's `grpo_passk`, after arXiv 2503.19595). NaN rewards are left out.
 */
export function passAtKAdvantages(rows: readonly Row[], options: PassAtKOptions): Float64Array {
  const advantages = new Float64Array(rows.length).fill(Number.NaN);
  for (const members of trainedGroups(rows)) {
    const rewards = members.map((i) => outcome(rows[i]!));
    let best = -1;
    let second = Number.NEGATIVE_INFINITY;
    rewards.forEach((reward, k) => {
      if (Number.isNaN(reward)) return;
      advantages[members[k]!] = 0;
      if (best < 0 || reward > rewards[best]!) {
        if (best >= 0) second = rewards[best]!;
        best = k;
      } else if (reward > second) second = reward;
    });
    if (!Number.isFinite(second)) continue;
    const gap = rewards[best]! - second;
    const width = options.scale === "group" ? standardDeviation(rewards, options.std) + options.epsilon : 1;
    advantages[members[best]!] = gap / width;
  }
  return advantages;
}

/** Estimator of {@link passAtKAdvantages}: every trained action of a row gets the row's advantage. */
export function passAtKEstimator(options: PassAtKOptions): AdvantageEstimator {
  return { needs: {}, estimate: (rows) => spread(rows, passAtKAdvantages(rows, options)) };
}
