import type { PolicyRule } from "./rule.js";

/** REINFORCE: l = -A logp (Williams 1992, eq. 11); also the loss of GPG (arXiv 2504.02546, eq. 6). */
export function reinforceRule(): PolicyRule {
  return {
    usesWeight: false,
    clips: null,
    evaluate({ mask, logp, advantage }, out) {
      for (let t = 0; t < mask.length; t++) {
        if (mask[t] !== 1) continue;
        out.loss[t] = -advantage[t]! * logp[t]!;
        out.dlogp[t] = -advantage[t]!;
      }
    },
  };
}
