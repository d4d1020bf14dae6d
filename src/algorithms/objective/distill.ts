import type { TermConfig } from "../../config/schema/terms.js";
import { klEstimate } from "../kl.js";
import { scheduledValue, UpdateCount } from "../schedule.js";
import { addMean } from "../tally.js";
import type { Current, RowGradient, Tally } from "../types.js";
import { maskSum } from "./aggregation.js";
import { distillGates } from "./distill-gates.js";
import type { Minibatch, Term } from "./term.js";
import { topKl } from "./top-kl.js";

type DistillConfig = Extract<TermConfig, { kind: "distill" }>;

interface DistillState extends Minibatch {
  beta: number;
  /** Whether the policy loss rests at this update. */
  alone: boolean;
  gates: Uint8Array[];
}

/**
 * KDRL (arXiv 2506.02208), with d = logp - teacher on the policy's own actions and a gate c per row:
 *   joint:    loss += sum_i k_i sum_t m_it beta c_i kl(d_it)      k from the objective's aggregation
 *   additive: A_it += beta c_i (teacher - logp), a constant, within the policy loss
 * estimator top_k: {@link topKl} in the place of kl(d).
 * sequential: the joint term without the policy loss for N updates, then the policy loss alone.
 */
export class Distill extends UpdateCount implements Term<DistillState> {
  readonly needs;
  readonly #config: DistillConfig;
  readonly #maskEnd: boolean;

  /** @param endsAlike whether the teacher ends its responses with the policy's tokens */
  constructor(config: DistillConfig, endsAlike = true) {
    super(`distill/${config.model}`);
    const { model, top_tokens, estimator, mode } = config;
    this.needs = { teacher: model, ...(estimator === "top_k" && mode !== "additive" && { alternatives: top_tokens }) };
    this.#config = config;
    this.#maskEnd = config.mask_end === "auto" ? !endsAlike : config.mask_end;
  }

  prepare(minibatch: Minibatch): DistillState {
    const { coefficient, mode } = this.#config;
    if (minibatch.rows.some(({ teacher }) => teacher === undefined)) throw new Error("no log-probs of the teacher");
    const over = typeof mode === "object" && this.updates >= mode.sequential;
    return {
      ...minibatch,
      beta: over ? 0 : scheduledValue(coefficient, this.updates),
      alone: typeof mode === "object" && !over,
      gates: distillGates(minibatch.rows, minibatch.masks, this.#config, this.#maskEnd),
    };
  }

  advantage(index: number, current: Current, state: DistillState, advantage: Float64Array): Float64Array {
    if (state.alone) return new Float64Array(advantage.length);
    if (this.#config.mode !== "additive") return advantage;
    const teacher = state.rows[index]!.teacher!;
    const gate = state.gates[index]!;
    return advantage.map((A, t) => (gate[t] === 1 ? A + state.beta * (teacher[t]! - current.logp[t]!) : A));
  }

  add(index: number, current: Current, state: DistillState, gradient: RowGradient, tally: Tally): number {
    const { estimator, mode } = this.#config;
    const row = state.rows[index]!;
    const gate = state.gates[index]!;
    const factor = mode === "additive" ? 0 : state.coefficients[index]! * state.beta;
    let [distance, overlap, kl, flips] = [0, 0, 0, 0];
    for (let t = 0; t < row.length; t++) {
      if (state.masks[index]![t] !== 1) continue;
      const d = current.logp[t]! - row.teacher![t]!;
      distance += d;
      overlap += Math.min(1, Math.exp(-d));
      if (gate[t] !== 1) continue;
      const { value, slope } =
        estimator === "top_k" ? topKl(row, current, t, factor, gradient, tally) : klEstimate(estimator, d);
      kl += value;
      gradient.dlogp[t]! += factor * slope;
      const A = row.advantage![t]!;
      if (A * (A - state.beta * d) < 0) flips += 1;
    }
    const actions = maskSum(state.masks[index]!);
    addMean(tally, "distill/coefficient", state.beta, 1);
    addMean(tally, "distill/distance", distance, actions);
    // The mean of min(1, teacher / policy) under the policy: the mass that both share.
    addMean(tally, "distill/agreement", overlap, actions);
    addMean(tally, "distill/loss", kl, actions);
    addMean(tally, "distill/masked", actions - maskSum(gate), actions);
    if (mode === "additive") addMean(tally, "distill/sign_flips", flips, actions);
    return factor * kl;
  }
}
