import type { CollectConfig } from "../../config/schema/collect.js";

/** What happens to a group: it is trained, left out, or left out and replaced by a new prompt. */
export type GroupDecision = "train" | "drop" | "resample";

/** Whether the scores of a group differ; NaN is left out. A group that does not vary has advantage 0 everywhere. */
export function varies(scores: ArrayLike<number>): boolean {
  const scored = Array.from(scores).filter((score) => !Number.isNaN(score));
  return scored.some((score) => score !== scored[0]);
}

/** DAPO's dynamic sampling (arXiv 2503.14476, eq. 11): groups whose raw rewards are all equal are kept, dropped or replaced. */
export function makeFilter(
  config: Pick<CollectConfig, "zero_variance">,
): (rewards: ArrayLike<number>) => GroupDecision {
  return (rewards) => {
    if (config.zero_variance === "keep" || varies(rewards)) return "train";
    return config.zero_variance;
  };
}
