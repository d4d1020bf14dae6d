import type { TermConfig } from "../../config/schema/terms.js";
import { addMean } from "../tally.js";
import type { StatefulComponent } from "../types.js";
import { maskedSum, maskSum } from "./aggregation.js";
import { entropyGradient, type Minibatch, type Term } from "./term.js";

type EntropyConfig = Extract<TermConfig, { kind: "entropy" }>;

interface EntropyState {
  masks: readonly Uint8Array[];
  factor: number;
}

/**
 * loss -= coefficient mean_t H_t over the actions that carry the policy loss. With `adaptive`, the coefficient rises by
 * `step` while entropy is at or below the target and falls above it, and acts only at or below (TRL's adaptive entropy,
 * after Skywork-OR1, arXiv 2505.22312, section 4.3).
 */
export class EntropyBonus implements Term<EntropyState>, StatefulComponent {
  readonly needs = { entropy: true };
  readonly stateName = "entropy_bonus";
  #coefficient: number;
  #lastEntropy = Number.NEGATIVE_INFINITY;
  readonly #adaptive: EntropyConfig["adaptive"];

  constructor(config: EntropyConfig) {
    this.#coefficient = config.coefficient;
    this.#adaptive = config.adaptive;
  }

  get coefficient(): number {
    return this.#adaptive !== null && this.#lastEntropy > this.#adaptive.target ? 0 : this.#coefficient;
  }

  prepare({ policyMasks, counts, masks }: Minibatch): EntropyState {
    const own = policyMasks.reduce((sum, mask) => sum + maskSum(mask), 0);
    const trained = masks.reduce((sum, mask) => sum + maskSum(mask), 0);
    // Counts of a larger whole know trained actions only: the same share of them is taken to carry the policy loss.
    const actions = counts.actions === undefined ? own : (own * counts.actions) / Math.max(trained, 1);
    return { masks: policyMasks, factor: this.coefficient / Math.max(actions, 1) };
  }

  add(...[index, current, state, gradient, tally]: Parameters<Term<EntropyState>["add"]>): number {
    const entropy = current.entropy;
    if (entropy === undefined) throw new Error("the entropy bonus needs entropies");
    const mask = state.masks[index]!;
    const dentropy = entropyGradient(gradient);
    for (let t = 0; t < mask.length; t++) if (mask[t] === 1) dentropy[t]! -= state.factor;
    const sum = maskedSum(entropy, mask);
    addMean(tally, "entropy/bonus", sum, maskSum(mask));
    return -state.factor * sum;
  }

  observe(metrics: Readonly<Record<string, number>>): void {
    const entropy = metrics["entropy/bonus"];
    if (this.#adaptive === null || entropy === undefined) return;
    const { target, step, min, max } = this.#adaptive;
    const next = this.#coefficient + (entropy <= target ? step : -step);
    this.#coefficient = Math.min(Math.max(next, min), max);
    this.#lastEntropy = entropy;
  }

  saveState(): unknown {
    return { coefficient: this.#coefficient, last: Number.isFinite(this.#lastEntropy) ? this.#lastEntropy : null };
  }

  loadState(state: unknown): void {
    const { coefficient, last } = state as { coefficient: number; last: number | null };
    this.#coefficient = coefficient;
    this.#lastEntropy = last ?? Number.NEGATIVE_INFINITY;
  }
}
