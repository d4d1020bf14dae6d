import type { KlConfig } from "../../config/schema/objective.js";
import { klEstimate } from "../kl.js";
import { KlController } from "../kl-controller.js";
import { mean } from "../statistics.js";
import { addMean } from "../tally.js";
import type { MetricLog, Needs, RewardShaper, Row, StatefulComponent } from "../types.js";

/**
 * KL penalty inside the reward: r_t -= coefficient kl(old_t, reference_t) on every trained action (PPO for language models,
 * arXiv 1909.08593, eq. 2). With `adaptive`, the coefficient follows the mean over rows of their mean KL per action.
 */
export class KlReward implements RewardShaper, StatefulComponent {
  readonly needs: Needs;
  readonly stateName = "kl_reward";
  readonly #config: KlConfig;
  readonly #controller: KlController;

  constructor(config: KlConfig) {
    this.needs = { old: true, reference: config.model };
    this.#config = config;
    this.#controller = new KlController(config);
  }

  shape(rows: Row[], log?: MetricLog): void {
    const perRow = rows.filter(({ role }) => role === "train").map((row) => this.#penalise(row, log));
    const measured = mean(perRow);
    if (!Number.isNaN(measured)) this.#controller.update(measured, perRow.length);
  }

  /** Takes the penalty off one row and returns its mean KL; NaN for a row without trained actions. */
  #penalise(row: Row, log?: MetricLog): number {
    const { old, reference, mask } = row;
    if (old === undefined || reference === undefined)
      throw new Error("KL in the reward needs old and reference log-probs");
    row.actionRewards ??= new Float64Array(row.length);
    let sum = 0;
    let count = 0;
    for (let t = 0; t < row.length; t++) {
      if (mask[t] !== 1) continue;
      const { value } = klEstimate(this.#config.estimator, old[t]! - reference[t]!, this.#config.limit);
      row.actionRewards[t]! -= this.#controller.coefficient * value;
      sum += value;
      count += 1;
    }
    addMean(log, "kl/mean", sum, count);
    return count === 0 ? Number.NaN : sum / count;
  }

  saveState(): unknown {
    return this.#controller.saveState();
  }

  loadState(state: unknown): void {
    this.#controller.loadState(state);
  }
}
