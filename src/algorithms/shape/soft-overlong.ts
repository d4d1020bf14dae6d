import type { ShapeConfig } from "../../config/schema/shape.js";
import type { RewardShaper } from "../types.js";

export type SoftOverlongConfig = Extract<ShapeConfig[number], { kind: "soft_overlong" }>;

/**
 * DAPO's punishment of a response of n tokens (arXiv 2503.14476, eq. 13), times `factor`: 0 up to max - cache, falling
 * linearly to -1 at max, -1 beyond. Without `floor` it falls on beyond max (verl).
 */
export function softOverlong(length: number, config: Omit<SoftOverlongConfig, "kind">): number {
  const { max_tokens, cache_tokens, factor, floor } = config;
  const excess = (length - (max_tokens - cache_tokens)) / cache_tokens;
  const share = excess <= 0 ? 0 : floor ? Math.min(excess, 1) : excess;
  return share === 0 ? 0 : -share * factor;
}

/** Adds {@link softOverlong} of each row's length to its reward. */
export function softOverlongShaper(config: SoftOverlongConfig): RewardShaper {
  return {
    needs: {},
    shape: (rows) => {
      for (const row of rows) row.reward += softOverlong(row.length, config);
    },
  };
}
