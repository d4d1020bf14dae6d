import type { ObjectiveConfig } from "../../config/schema/objective.js";
import type { PolicyRule } from "./rule.js";

type SapoConfig = Pick<Extract<ObjectiveConfig, { kind: "sapo" }>, "temperature_positive" | "temperature_negative">;

/**
 * SAPO: l = -A (4 / tau) sigmoid(tau (r - 1)), tau by the sign of A: slope 1 at r = 1, falling off smoothly on both sides
 * (arXiv 2511.20347, eq. 6).
 */
export function sapoRule({ temperature_positive, temperature_negative }: SapoConfig): PolicyRule {
  return {
    usesWeight: false,
    clips: null,
    evaluate({ mask, ratio, advantage }, out) {
      for (let t = 0; t < mask.length; t++) {
        if (mask[t] !== 1) continue;
        const A = advantage[t]!;
        const tau = A > 0 ? temperature_positive : temperature_negative;
        const gate = 1 / (1 + Math.exp(-tau * (ratio[t]! - 1)));
        out.loss[t] = (-A * gate * 4) / tau;
        out.dratio[t] = -A * 4 * gate * (1 - gate);
      }
    },
  };
}
