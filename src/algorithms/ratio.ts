import type { Row } from "./types.js";

/** Unit of the importance ratio: single actions, the whole response, or the named spans of a response. */
export type RatioLevel = "token" | "sequence" | { span: string };

/**
 * Segment of each trained action, ids from 0 without gaps; -1 on actions that are not trained. A trained action outside
 * all spans is a segment of its own.
 */
export function segmentsOf(row: Row, mask: Uint8Array, level: RatioLevel): { segments: Int32Array; count: number } {
  const segments = new Int32Array(row.length).fill(-1);
  const known = new Map<number, number>();
  let count = 0;
  const spans = typeof level === "object" ? row.spans[level.span] : undefined;
  if (typeof level === "object" && spans === undefined) throw new Error(`no spans named ${level.span} in this row`);
  for (let t = 0; t < row.length; t++) {
    if (mask[t] !== 1) continue;
    const span = level === "sequence" ? 0 : (spans?.[t] ?? -1);
    const segment = span < 0 ? undefined : known.get(span);
    if (segment !== undefined) segments[t] = segment;
    else {
      if (span >= 0) known.set(span, count);
      segments[t] = count++;
    }
  }
  return { segments, count };
}

/** Number of actions in each segment. */
export function segmentSizes(segments: Int32Array, count: number): Float64Array {
  const sizes = new Float64Array(count);
  for (const segment of segments) if (segment >= 0) sizes[segment]! += 1;
  return sizes;
}

/**
 * Importance ratio of each action's segment: the geometric mean of its token ratios,
 *   s = exp( 1/|segment| sum_{t in segment} (logp_t - old_t) )
 * (GSPO, arXiv 2507.18071, eq. 7; for token segments PPO's ratio). 1 on actions without a segment.
 *
 * @param segments id per action below `sizes.length`, -1 = none
 * @param sizes actions per segment
 */
export function segmentRatio(
  logp: Float64Array,
  old: Float64Array,
  segments: Int32Array,
  sizes: Float64Array,
): Float64Array {
  const sums = new Float64Array(sizes.length);
  for (let t = 0; t < logp.length; t++) {
    const segment = segments[t]!;
    if (segment >= 0) sums[segment] = sums[segment]! + (logp[t]! - old[t]!);
  }
  for (let s = 0; s < sums.length; s++) sums[s] = Math.exp(sums[s]! / sizes[s]!);
  const ratio = new Float64Array(logp.length).fill(1);
  for (let t = 0; t < logp.length; t++) if (segments[t]! >= 0) ratio[t] = sums[segments[t]!]!;
  return ratio;
}

/** Gradient of {@link segmentRatio}: dlogp_u = s / |segment| sum_{t in segment} dratio_t. */
export function segmentRatioBackward(
  dratio: Float64Array,
  ratio: Float64Array,
  segments: Int32Array,
  sizes: Float64Array,
): Float64Array {
  const sums = new Float64Array(sizes.length);
  for (let t = 0; t < dratio.length; t++) {
    const segment = segments[t]!;
    if (segment >= 0) sums[segment] = sums[segment]! + dratio[t]!;
  }
  const dlogp = new Float64Array(dratio.length);
  for (let t = 0; t < dratio.length; t++) {
    const segment = segments[t]!;
    if (segment >= 0) dlogp[t] = (sums[segment]! / sizes[segment]!) * ratio[t]!;
  }
  return dlogp;
}
