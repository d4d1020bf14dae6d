import type { ObjectiveConfig } from "../../config/schema/objective.js";
import { clamp } from "../statistics.js";
import { addMean, addValue } from "../tally.js";
import { maskSum } from "./aggregation.js";
import type { PolicyRule } from "./rule.js";

type RecConfig = Extract<ObjectiveConfig, { kind: "rec" }>;
type RecBounds = Pick<RecConfig, "clip" | "epsilon_low" | "epsilon_high" | "outer_low" | "outer_high">;

/**
 * REC: l = -stop(M w) A logp, with a hard mask M on the ratio r and a constant weight w (group-relative REINFORCE as an
 * off-policy algorithm, arXiv 2509.24203, section 4). Since r is held, the ratio's gradient is PPO's and its value is not.
 */
export function recRule(config: RecConfig): PolicyRule {
  const { weight, temperature, outer_low, outer_high } = config;
  const weigh = (A: number, unitRatio: number, logRatio: number): number => {
    switch (weight) {
      case "none":
        return 1;
      case "ratio":
        return unitRatio;
      case "token_ratio":
        return Math.exp(logRatio);
      case "truncated_ratio":
        return clamp(Math.exp(logRatio), 1 - outer_low, 1 + outer_high);
      case "advantage":
        return Math.exp(A / temperature);
    }
  };
  return {
    usesWeight: false,
    clips: "action",
    evaluate({ mask, ratio, logp, old, advantage }, out, tally) {
      const masked = { positive: 0, negative: 0 };
      for (let t = 0; t < mask.length; t++) {
        if (mask[t] !== 1) continue;
        const A = advantage[t]!;
        const r = ratio[t]!;
        addValue(tally, "ratio", r);
        if (!recKeeps(r, A, config)) {
          out.clipped[t] = r < 1 ? -1 : 1;
          masked[A < 0 ? "negative" : "positive"] += 1;
          continue;
        }
        const slope = -A * weigh(A, r, logp[t]! - old[t]!);
        out.loss[t] = slope * logp[t]!;
        out.dlogp[t] = slope;
      }
      for (const sign of ["positive", "negative"] as const) {
        addMean(tally, `rec/masked_${sign}`, masked[sign], maskSum(mask));
      }
    },
  };
}

/** Whether an action of this ratio and advantage learns (table 2 of the paper). */
export function recKeeps(ratio: number, advantage: number, bounds: RecBounds): boolean {
  const below = ratio <= 1 + bounds.epsilon_high;
  const above = ratio >= 1 - bounds.epsilon_low;
  switch (bounds.clip) {
    case "none":
      return true;
    case "one_side":
      return (advantage >= 0 && below) || (advantage <= 0 && above);
    case "two_side":
      return above && below;
    case "ring":
      return (
        (above && below) ||
        (advantage >= 0 && ratio <= 1 - bounds.outer_low) ||
        (advantage <= 0 && ratio >= 1 + bounds.outer_high)
      );
  }
}
