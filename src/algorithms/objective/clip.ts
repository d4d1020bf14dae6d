import type { ObjectiveConfig } from "../../config/schema/objective.js";
import { clamp } from "../statistics.js";
import { addMean } from "../tally.js";
import type { PolicyRule } from "./rule.js";

type ClipConfig = Pick<
  Extract<ObjectiveConfig, { kind: "clip" }>,
  "epsilon_low" | "epsilon_high" | "dual_clip" | "delta"
>;

/**
 * l = -min(r A, clip(r, 1 - epsilon_low, 1 + epsilon_high) A) (PPO, arXiv 1707.06347, eq. 7; unequal bounds: DAPO, arXiv
 * 2503.14476, eq. 8). `delta`: r becomes min(r, delta) in the first branch (INTELLECT-2, arXiv 2505.07291, eq. 2).
 * `dual_clip` c: for A < 0 the loss is at most -c A (Ye et al. 2020, arXiv 1912.09729, eq. 4).
 */
export function clipRule({ epsilon_low, epsilon_high, dual_clip, delta }: ClipConfig): PolicyRule {
  const low = 1 - epsilon_low;
  const high = 1 + epsilon_high;
  return {
    usesWeight: false,
    clips: "unit",
    evaluate({ mask, ratio, advantage, share }, out, tally) {
      let capped = 0;
      let count = 0;
      for (let t = 0; t < mask.length; t++) {
        if (mask[t] !== 1) continue;
        const A = advantage[t]!;
        const r = delta === null ? ratio[t]! : Math.min(ratio[t]!, delta);
        const bounded = clamp(ratio[t]!, low, high);
        const free = -r * A;
        const clipped = -bounded * A;
        let loss = Math.max(free, clipped);
        let slope = (free >= clipped ? r : bounded) === ratio[t] ? -A : 0;
        if (r < low && A < 0) out.clipped[t] = -1;
        else if (r > high && A > 0) out.clipped[t] = 1;
        if (dual_clip !== null && A < 0 && loss > -dual_clip * A) {
          loss = -dual_clip * A;
          slope = 0;
          capped += share[t]!;
        }
        out.loss[t] = loss;
        out.dratio[t] = slope;
        count += share[t]!;
      }
      if (dual_clip !== null) addMean(tally, "ratio/dual_clip", capped, count);
    },
  };
}
