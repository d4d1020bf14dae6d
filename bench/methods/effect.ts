import type { StepMetrics } from "../../src/report/metrics.js";
import type { RolloutRow } from "../../src/report/rollouts.js";
import type { PlayTask } from "./play-task.js";
import type { Workshop } from "./workshop.js";

/** Sections of a configuration, as they stand in its file. */
export interface Sections {
  readonly [key: string]: unknown;
}

/** What a run left behind. */
export interface FinishedRun {
  metrics: readonly StepMetrics[];
  /** Completions of the last so many steps that trained. */
  last(steps: number): RolloutRow[];
}

/** Something a method promises against its baseline. */
export interface Claim {
  /** The measured quantity in words. */
  what: string;
  /** `kept`: not worse than the baseline by more than 0.05. */
  want: "higher" | "lower" | "kept";
  of(run: FinishedRun): number;
}

/** A pair of runs that differ by a method alone. */
export interface Effect {
  method: string;
  task: PlayTask;
  /** What both sides share: steps, sizes, learning rate. */
  shared: Sections;
  /** The other side in words. */
  against: string;
  baseline: Sections;
  /** On top of the recipe, where the task needs it. */
  recipe?(): Sections;
  /** On top of both, where they need a model that is made first. */
  both?(workshop: Workshop): Promise<Sections>;
  claims: readonly Claim[];
}

/** The last value of a metric in a run. */
export function lastMetric(name: string) {
  return ({ metrics }: FinishedRun): number => Number(metrics.findLast((row) => typeof row[name] === "number")?.[name]);
}

/** The mean of a metric over the last so many steps, all when not given. */
export function meanMetric(name: string, steps = Number.POSITIVE_INFINITY) {
  return ({ metrics }: FinishedRun): number =>
    mean(
      metrics
        .filter((row) => typeof row[name] === "number")
        .slice(-steps)
        .map((row) => Number(row[name])),
    );
}

/** The mean of a number per completion over those of the last so many steps that `keep` picks. */
export function meanOver(
  steps: number,
  value: (row: RolloutRow) => number,
  keep: (row: RolloutRow) => boolean = () => true,
) {
  return (run: FinishedRun): number => mean(run.last(steps).filter(keep).map(value));
}

/** The mean; NaN of nothing. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The budget that both sides share; `group` is left out where a strategy fixes its size. */
export function budget(
  steps: number,
  { prompts = 8, group = 16 as number | null, rate = 3e-4, updates = 1, minibatches = 1 } = {},
): Sections {
  return {
    train: { steps, prompts_per_step: prompts, updates_per_rollout: updates, minibatches },
    ...(group !== null && { rollout: { group_size: group } }),
    optimizer: { learning_rate: rate },
  };
}

/** The other side of a method that is compared with where it began: a step whose update is nothing. */
export const start: Sections = { train: { steps: 1 }, optimizer: { learning_rate: 1e-12 } };
