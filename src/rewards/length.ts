import type { RewardSpecOf } from "../config/schema/rewards.js";
import type { RewardSample, SampleScorer } from "./types.js";

/**
 * Length n of the completion against [min, max] (target: min = max = target). With d = max(min - n, n - max, 0):
 * 1 if d = 0, else max(0, 1 - d / margin); a margin of 0 is all or nothing.
 */
export function lengthReward(spec: RewardSpecOf<"length">): SampleScorer {
  const min = spec.target ?? spec.min ?? 0;
  const max = spec.target ?? spec.max ?? Number.POSITIVE_INFINITY;
  const margin = spec.margin ?? spec.target ?? 0;
  return (sample) => {
    const n = measure[spec.unit](sample);
    const distance = Math.max(min - n, n - max, 0);
    if (distance === 0) return 1;
    return margin === 0 ? 0 : Math.max(0, 1 - distance / margin);
  };
}

const measure: Record<RewardSpecOf<"length">["unit"], (sample: RewardSample) => number> = {
  tokens: (sample) => sample.tokens.length,
  characters: (sample) => [...sample.completion].length,
  words: (sample) => sample.completion.split(/\s+/u).filter((word) => word !== "").length,
};
