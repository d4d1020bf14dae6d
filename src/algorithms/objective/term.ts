import type { Counts, Current, Needs, Row, RowGradient, Tally } from "../types.js";

/** What a term sees of the minibatch before any backward. */
export interface Minibatch {
  rows: readonly Row[];
  /** Trained actions of each row, after rejection. */
  masks: readonly Uint8Array[];
  /** Trained actions that carry the policy loss: `masks` less what the entropy mask takes away. */
  policyMasks: readonly Uint8Array[];
  /** Factor of each row's action losses under the objective's aggregation. */
  coefficients: Float64Array;
  counts: Partial<Counts>;
  /** From a no-grad pass, when the objective asked for one. */
  current: readonly Current[] | null;
}

/** Something added to the policy loss. Its own state of a minibatch is what `prepare` returns. */
export interface Term<State = unknown> {
  readonly needs: Needs;
  prepare(minibatch: Minibatch): State;
  /** The advantages of row `index` that the policy loss shall use in place of `advantage`; no gradient flows through them. */
  advantage?(index: number, current: Current, state: State, advantage: Float64Array): Float64Array;
  /** Loss of row `index`; adds its gradients to `gradient` and its metrics to `tally`. */
  add(index: number, current: Current, state: State, gradient: RowGradient, tally: Tally): number;
}

/** The entropy gradient of a row, made on first use. */
export function entropyGradient(gradient: RowGradient): Float64Array {
  gradient.dentropy ??= new Float64Array(gradient.dlogp.length);
  return gradient.dentropy;
}

/** The value gradient of a row, made on first use. */
export function valueGradient(gradient: RowGradient): Float64Array {
  gradient.dvalue ??= new Float64Array(gradient.dlogp.length);
  return gradient.dvalue;
}
