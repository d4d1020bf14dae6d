import type { ObjectiveConfig } from "../../config/schema/objective.js";
import { addMean } from "../tally.js";
import type { PolicyRule } from "./rule.js";

type GeometricMeanConfig = Pick<Extract<ObjectiveConfig, { kind: "geometric_mean" }>, "epsilon_low" | "epsilon_high">;

/**
 * GMPO: l = -A exp(mean_t d_t) where each token's log-ratio is first bounded on the side the advantage pushes to,
 * d_t = min(d, epsilon_high) for A > 0, max(d, -epsilon_low) for A < 0 (arXiv 2507.20673, eq. 4).
 */
export function geometricMeanRule({ epsilon_low, epsilon_high }: GeometricMeanConfig): PolicyRule {
  return {
    usesWeight: false,
    clips: "action",
    boundLogRatio(d, A) {
      if (A === 0) return { value: 0, slope: 0 };
      const bound = A > 0 ? Math.min(d, epsilon_high) : Math.max(d, -epsilon_low);
      return { value: bound, slope: bound === d ? 1 : 0 };
    },
    evaluate({ mask, ratio, advantage, logp, old }, out, tally) {
      let positive = 0;
      let negative = 0;
      let count = 0;
      for (let t = 0; t < mask.length; t++) {
        if (mask[t] !== 1) continue;
        const A = advantage[t]!;
        const d = logp[t]! - old[t]!;
        out.loss[t] = -A * ratio[t]!;
        out.dratio[t] = -A;
        if (d < -epsilon_low && A < 0) out.clipped[t] = -1;
        else if (d > epsilon_high && A > 0) out.clipped[t] = 1;
        count += 1;
        if (d >= -epsilon_low && d <= epsilon_high) continue;
        if (A > 0) positive += 1;
        else if (A < 0) negative += 1;
      }
      addMean(tally, "ratio/outside_positive", positive, count);
      addMean(tally, "ratio/outside_negative", negative, count);
    },
  };
}
