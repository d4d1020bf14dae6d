import { quantileFloat32 } from "../statistics.js";
import { maskSum } from "./aggregation.js";

/**
 * 1 on the trained actions whose entropy is at least the q-quantile over all trained actions
 * (Wang et al. 2025, arXiv 2506.01939, eq. 5).
 */
export function highEntropyMasks(
  entropies: readonly Float64Array[],
  masks: readonly Uint8Array[],
  q: number,
): Uint8Array[] {
  const trained: number[] = [];
  entropies.forEach((values, i) => {
    for (let t = 0; t < values.length; t++) if (masks[i]![t] === 1) trained.push(values[t]!);
  });
  const threshold = quantileFloat32(trained, q);
  return masks.map((mask, i) => mask.map((on, t) => (on === 1 && entropies[i]![t]! >= threshold ? 1 : 0)));
}

/**
 * Whether a row has stayed on-policy: mean over its trained actions of sampling - current log-prob is at most `threshold`.
 * Rows that have not lose the actions with negative advantage (DeepSeek-V3.2, arXiv 2512.02556, eq. 9). Actions without a
 * sampling log-prob count as 0.
 */
export function isOnPolicy(sampling: Float64Array, logp: Float64Array, mask: Uint8Array, threshold: number): boolean {
  let sum = 0;
  for (let t = 0; t < mask.length; t++) {
    const drift = sampling[t]! - logp[t]!;
    if (mask[t] === 1 && !Number.isNaN(drift)) sum += drift;
  }
  return sum / Math.max(maskSum(mask), 1) <= threshold;
}
