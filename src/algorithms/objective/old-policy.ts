import type { TermConfig } from "../../config/schema/terms.js";
import { addMean } from "../tally.js";
import { maskSum } from "./aggregation.js";
import type { Minibatch, Term } from "./term.js";

type OldPolicyConfig = Extract<TermConfig, { kind: "old_policy" }>;

/**
 * REP: loss += coefficient sum_i c_i sum_t m_it x_it with x = -logp (`forward_kl`: AsymRE) or x = (logp - old)^2 (`k2`:
 * Kimi's OPMD), c from the objective's aggregation; clip masks do not touch it (arXiv 2509.24203, section 4).
 */
export function oldPolicyTerm({ regularizer, coefficient }: OldPolicyConfig): Term<Minibatch> {
  return {
    needs: { old: true },
    prepare: (minibatch) => minibatch,
    add(index, { logp }, { rows, masks, coefficients }, gradient, tally) {
      const mask = masks[index]!;
      const old = rows[index]!.old ?? logp;
      const factor = coefficient * coefficients[index]!;
      let sum = 0;
      for (let t = 0; t < mask.length; t++) {
        if (mask[t] !== 1) continue;
        const d = logp[t]! - old[t]!;
        sum += regularizer === "k2" ? d * d : -logp[t]!;
        gradient.dlogp[t]! += factor * (regularizer === "k2" ? 2 * d : -1);
      }
      addMean(tally, `old_policy/${regularizer}`, sum, maskSum(mask));
      return factor * sum;
    },
  };
}
