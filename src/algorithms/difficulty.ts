import { mean } from "./statistics.js";
import type { StatefulComponent } from "./types.js";

export interface DifficultyOptions {
  /** Samples remembered. */
  window: number;
  /** Difference of mean rewards at which the level reaches 1. */
  deltaMax: number;
}

/** What to do with a task: make it easier by a hint, harder by noise, or leave it; `level` in [0, 1] says how much. */
export interface Difficulty {
  /** Mean of the remembered group means; NaN while there are none. */
  reference: number;
  /** reference - mean reward of the group: above 0 is harder than of late. */
  difficulty: number;
  action: "hint" | "noise" | "none";
  level: number;
}

/**
 * Relative difficulty of a task against the last `window` tasks (DeepVideo-R1, arXiv 2506.07464, section 3.3):
 * Delta = mean of the remembered group means - mean of this group, level = min(1, |Delta| / deltaMax).
 */
export class DifficultyController implements StatefulComponent {
  readonly stateName = "difficulty";
  readonly #options: DifficultyOptions;
  #history: number[] = [];

  constructor(options: DifficultyOptions) {
    this.#options = options;
  }

  /** Judges a group by its rewards against those before it, then remembers it. */
  judge(rewards: ArrayLike<number>): Difficulty {
    const own = mean(rewards);
    const reference = mean(this.#history);
    const difficulty = Number.isNaN(reference) ? 0 : reference - own;
    this.#history = [...this.#history, own].slice(-this.#options.window);
    return {
      reference,
      difficulty,
      action: difficulty > 0 ? "hint" : difficulty < 0 ? "noise" : "none",
      level: Math.min(1, Math.abs(difficulty) / this.#options.deltaMax),
    };
  }

  saveState(): number[] {
    return this.#history;
  }

  loadState(state: unknown): void {
    this.#history = state as number[];
  }
}
