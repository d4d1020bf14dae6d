/**
 * Cross-entropy of forced tokens: L = -(1 / count) sum of log p over the marked ones. `count` is that of the whole batch, so
 * that parts of it add up.
 *
 * @param logp one array per row, log-probs of its tokens
 * @param masks 1 where a token is taught
 * @returns the loss, and d loss / d log-prob per row
 */
export function crossEntropy(
  logp: readonly Float64Array[],
  masks: readonly Uint8Array[],
  count: number,
): { loss: number; dlogp: Float64Array[] } {
  let loss = 0;
  for (const [i, mask] of masks.entries()) {
    for (let t = 0; t < mask.length; t++) if (mask[t] === 1) loss -= logp[i]![t]! / count;
  }
  return { loss, dlogp: masks.map((mask) => Float64Array.from(mask, (m) => -m / count)) };
}
