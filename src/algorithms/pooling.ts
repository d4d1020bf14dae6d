/** Which hidden states stand for a text: their mean, the first, or the last. */
export type Pooling = "mean" | "cls" | "last";

/**
 * One vector for the tokens where the mask is 1; 0 where it is nowhere. `cls` is the first token of the text, whatever the mask.
 *
 * @param hidden (T, C), row-major
 * @param mask (T)
 * @returns (C)
 */
export function poolHidden(hidden: Float64Array, mask: Uint8Array, pooling: Pooling): Float64Array {
  const width = mask.length === 0 ? 0 : hidden.length / mask.length;
  const state = (t: number) => hidden.slice(t * width, (t + 1) * width);
  const last = mask.lastIndexOf(1);
  if (last < 0) return new Float64Array(width);
  if (pooling === "cls") return state(0);
  if (pooling === "last") return state(last);
  const sum = new Float64Array(width);
  let count = 0;
  for (let t = 0; t <= last; t++) {
    if (mask[t] !== 1) continue;
    count += 1;
    for (let c = 0; c < width; c++) sum[c]! += hidden[t * width + c]!;
  }
  return sum.map((value) => value / count);
}

/**
 * Gradient of {@link poolHidden} with respect to the hidden states.
 *
 * @param dpooled (C)
 * @returns (T, C)
 */
export function poolHiddenBackward(dpooled: Float64Array, mask: Uint8Array, pooling: Pooling): Float64Array {
  const width = dpooled.length;
  const dhidden = new Float64Array(mask.length * width);
  const last = mask.lastIndexOf(1);
  if (last < 0) return dhidden;
  if (pooling !== "mean") {
    dhidden.set(dpooled, pooling === "cls" ? 0 : last * width);
    return dhidden;
  }
  const count = mask.reduce((sum, on) => sum + on, 0);
  const share = dpooled.map((value) => value / count);
  for (let t = 0; t <= last; t++) if (mask[t] === 1) dhidden.set(share, t * width);
  return dhidden;
}
