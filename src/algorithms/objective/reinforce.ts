import type { PolicyRule } from "./rule.js";

/**
 * REINFORCE: l = -A logp / (1 + tau), tau = 0 (Williams 1992, eq. 11); also the loss of GPG (arXiv 2504.02546, eq. 6), and
 * with tau > 0 that of OPMD (arXiv 2505.17826, section 3.2).
 */
export function reinforceRule({ tau }: { tau: number }): PolicyRule {
  return {
    usesWeight: false,
    clips: null,
    evaluate({ mask, logp, advantage }, out) {
      for (let t = 0; t < mask.length; t++) {
        if (mask[t] !== 1) continue;
        out.dlogp[t] = -advantage[t]! / (1 + tau);
        out.loss[t] = out.dlogp[t]! * logp[t]!;
      }
    },
  };
}
