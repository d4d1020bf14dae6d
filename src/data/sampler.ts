import type { Task } from "../tree/episode.js";
import { Purpose, permutation } from "./random.js";

/** One task drawn for one place of a step's batch. The same task may be drawn into several slots. */
export interface Drawn {
  task: Task;
  slotIndex: number;
}

/** What became of a drawn task: the total rewards of its group. */
export interface PromptOutcome {
  task: Task;
  rewards: readonly number[];
}

/** Chooses the prompts of each step. Its state is plain JSON, so that a resumed run draws what the first would have. */
export interface PromptSampler {
  readonly stateName: string;
  next(count: number): Drawn[];
  /** Told after every step; samplers that do not adapt ignore it. */
  observe(outcomes: readonly PromptOutcome[]): void;
  saveState(): unknown;
  loadState(state: unknown): void;
}

/** Kinds of samplers that `sampler.kind` takes. */
export type SamplerKind = "shuffle" | "sequential";

/**
 * Walks the tasks epoch by epoch; a step that reaches the end of an epoch goes on with the next, so every step is full.
 *
 * @param tasks at least one
 * @param kind `shuffle` draws a new order for each epoch from (seed, epoch); `sequential` keeps the order of the data
 */
export function createSampler(tasks: readonly Task[], kind: SamplerKind, seed: number): PromptSampler {
  let epoch = 0;
  let cursor = 0;
  let order = epochOrder();

  function epochOrder(): ArrayLike<number> {
    if (kind === "shuffle") return permutation(tasks.length, seed, Purpose.shuffle, epoch);
    return Uint32Array.from({ length: tasks.length }, (_, i) => i);
  }

  return {
    stateName: "sampler",
    next(count) {
      return Array.from({ length: count }, (_, slotIndex) => {
        if (cursor === tasks.length) {
          epoch++;
          cursor = 0;
          order = epochOrder();
        }
        return { task: tasks[order[cursor++]!]!, slotIndex };
      });
    },
    observe() {},
    saveState() {
      return { epoch, cursor };
    },
    loadState(state) {
      ({ epoch, cursor } = state as { epoch: number; cursor: number });
      order = epochOrder();
    },
  };
}
