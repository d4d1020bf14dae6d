import type { ShapeConfig } from "../../config/schema/shape.js";
import type { RewardShaper } from "../types.js";

export type RepetitionConfig = Extract<ShapeConfig[number], { kind: "repetition" }>;

/**
 * max_penalty (1 - distinct n-grams / n-grams) over token ids; 0 when there are fewer than `ngram` tokens
 * (Yeo et al. 2025, arXiv 2502.03373, appendix).
 */
export function repetitionPenalty(tokens: ArrayLike<number>, config: Omit<RepetitionConfig, "kind">): number {
  const total = tokens.length - config.ngram + 1;
  if (total < 1) return 0;
  const distinct = new Set<string>();
  for (let start = 0; start < total; start++) {
    distinct.add(Array.prototype.slice.call(tokens, start, start + config.ngram).join(","));
  }
  const repeated = 1 - distinct.size / total;
  return repeated === 0 ? 0 : config.max_penalty * repeated;
}

/** Adds {@link repetitionPenalty} of each row's tokens to its reward. */
export function repetitionShaper(config: RepetitionConfig): RewardShaper {
  return {
    needs: {},
    shape: (rows) => {
      for (const row of rows) row.reward += repetitionPenalty(row.tokens, config);
    },
  };
}
