import type { ObjectiveConfig } from "../../config/schema/objective.js";
import { clamp } from "../statistics.js";
import { addMean } from "../tally.js";
import type { PolicyRule } from "./rule.js";

type CispoConfig = Pick<Extract<ObjectiveConfig, { kind: "cispo" }>, "epsilon_low" | "epsilon_high">;

/**
 * CISPO: l = -stop(clip(r, 1 - epsilon_low, 1 + epsilon_high)) A logp, so that every action keeps a gradient
 * (MiniMax-M1, arXiv 2506.13585, eq. 4). epsilon_low null: no lower bound.
 */
export function cispoRule({ epsilon_low, epsilon_high }: CispoConfig): PolicyRule {
  const low = epsilon_low === null ? Number.NEGATIVE_INFINITY : 1 - epsilon_low;
  const high = 1 + epsilon_high;
  return {
    usesWeight: false,
    clips: "unit",
    evaluate({ mask, ratio, advantage, logp, share }, out, tally) {
      let outside = 0;
      let count = 0;
      for (let t = 0; t < mask.length; t++) {
        if (mask[t] !== 1) continue;
        const A = advantage[t]!;
        const r = ratio[t]!;
        const weight = clamp(r, low, high);
        out.loss[t] = -weight * A * logp[t]!;
        out.dlogp[t] = -weight * A;
        if (r < low && A < 0) out.clipped[t] = -1;
        else if (r > high && A > 0) out.clipped[t] = 1;
        if (weight !== r) outside += share[t]!;
        count += share[t]!;
      }
      addMean(tally, "ratio/outside", outside, count);
    },
  };
}
