import type { KlConfig } from "../../config/schema/objective.js";
import { klEstimate } from "../kl.js";
import { KlController } from "../kl-controller.js";
import type { Needs, Row, StatefulComponent } from "../types.js";

/** The importance ratios a corrected term is multiplied by, and where d loss / d ratio is added. */
export interface RatioGradient {
  ratio: Float64Array;
  dratio: Float64Array;
}

/** Distance to a frozen model as part of a loss: factor sum_t m_t r_t kl(logp_t - reference_t), r the ratio or 1. */
export class KlLoss {
  readonly needs: Needs;
  readonly stateful: readonly StatefulComponent[];
  readonly #config: KlConfig;
  readonly #controller: KlController;

  constructor(config: KlConfig) {
    this.#config = config;
    this.#controller = new KlController(config);
    this.needs = { reference: config.model };
    this.stateful = config.adaptive === null ? [] : [this.#controller];
  }

  /** Weight of the term at this update. */
  get coefficient(): number {
    return this.#controller.coefficient;
  }

  /**
   * Adds the gradient of a row's term.
   *
   * @returns sum_t m_t r_t kl_t, without the factor
   */
  add(
    row: Row,
    mask: Uint8Array,
    logp: Float64Array,
    factor: number,
    dlogp: Float64Array,
    through?: RatioGradient,
  ): number {
    const { estimator, limit, corrected } = this.#config;
    const { reference } = row;
    if (reference === undefined) throw new Error("the KL term needs reference log-probs");
    let sum = 0;
    for (let t = 0; t < row.length; t++) {
      if (mask[t] !== 1) continue;
      const { value, slope } = klEstimate(estimator, logp[t]! - reference[t]!, limit);
      const r = corrected && through !== undefined ? through.ratio[t]! : 1;
      sum += r * value;
      dlogp[t]! += factor * r * slope;
      if (corrected && through !== undefined) through.dratio[t]! += factor * value;
    }
    return sum;
  }
}

/** The KL term of a configuration; null where it has no weight or belongs to the reward. */
export function klLoss(config: KlConfig): KlLoss | null {
  return config.coefficient > 0 && config.placement === "loss" ? new KlLoss(config) : null;
}
