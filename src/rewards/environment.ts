import type { SampleScorer } from "./types.js";

/** Sum of what an environment paid for the actions of an episode; null for a rollout without one. */
export function environmentReward(): SampleScorer {
  return ({ trace }) => (typeof trace.return === "number" ? trace.return : null);
}
