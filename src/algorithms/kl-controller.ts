import type { KlConfig } from "../config/schema/objective.js";
import { clamp } from "./statistics.js";
import type { StatefulComponent } from "./types.js";

/** Largest relative error that one update reacts to. */
const ERROR_LIMIT = 0.2;

/**
 * Weight of a KL term: constant, or steered to a target,
 *   coefficient *= 1 + clip(kl / target - 1, -0.2, 0.2) rows / horizon
 * (Ziegler et al. 2019, arXiv 1909.08593, section 2.2).
 */
export class KlController implements StatefulComponent {
  readonly stateName = "kl_controller";
  #coefficient: number;
  readonly #adaptive: KlConfig["adaptive"];

  constructor(config: Pick<KlConfig, "coefficient" | "adaptive">) {
    this.#coefficient = config.coefficient;
    this.#adaptive = config.adaptive;
  }

  get coefficient(): number {
    return this.#coefficient;
  }

  /**
   * Reacts to what was measured.
   *
   * @param kl in nats per action
   * @param rows over how many rows
   */
  update(kl: number, rows: number): void {
    if (this.#adaptive === null) return;
    const error = clamp(kl / this.#adaptive.target - 1, -ERROR_LIMIT, ERROR_LIMIT);
    this.#coefficient *= 1 + (error * rows) / this.#adaptive.horizon;
  }

  observe(metrics: Readonly<Record<string, number>>, rows: number): void {
    const kl = metrics["kl/mean"];
    if (kl !== undefined) this.update(kl, rows);
  }

  saveState(): number {
    return this.#coefficient;
  }

  loadState(state: unknown): void {
    this.#coefficient = state as number;
  }
}
