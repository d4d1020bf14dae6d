import { loadAddon } from "../../native/load.js";

export interface SegmentRatioOptions {
  /** Geometric mean of the actions' ratios (the default), or their product. */
  mean?: boolean;
  /** Upper bound of a segment's log ratio; no gradient flows where it holds. Default none. */
  logRatioCap?: number;
}

/** Per action: values of the segment it belongs to. */
export interface SegmentRatios {
  /** 1 on actions that do not count or have no segment. */
  ratio: Float64Array;
  /** Log of `ratio`. */
  logRatio: Float64Array;
  /** Actions of the segment that count; 0 where there is no segment. */
  count: Float64Array;
}

/** How many ratios the clip holds back: below with a negative advantage, above with a positive one. */
export interface ClipCounts {
  low: number;
  high: number;
  total: number;
}

/**
 * Importance ratio of each action's segment: the geometric mean over the segment's counted actions of exp(logp - old)
 * (GSPO, arXiv 2507.18071, eq. 7); with one action per segment PPO's ratio.
 *
 * @param mask 1 where the action counts
 * @param segments id >= 0 per action, in any order, gaps allowed; -1 = none
 * @throws RangeError with code GRPO_SHAPE when lengths differ
 */
export function segmentRatio(
  logp: Float64Array,
  old: Float64Array,
  mask: Uint8Array,
  segments: Int32Array,
  options: SegmentRatioOptions = {},
): SegmentRatios {
  const n = logp.length;
  const out = { ratio: new Float64Array(n), logRatio: new Float64Array(n), count: new Float64Array(n) };
  const { mean = true, logRatioCap = Number.POSITIVE_INFINITY } = options;
  loadAddon().segmentRatio(logp, old, mask, segments, mean, logRatioCap, out.ratio, out.logRatio, out.count);
  return out;
}

/**
 * Gradient of {@link segmentRatio} with respect to `logp`: ratio / count times the segment's sum of `dratio`, on every action
 * that counts.
 *
 * @param dratio d loss / d ratio as each action used its segment's ratio
 * @param ratios what segmentRatio returned for the same mask, segments and options
 * @throws RangeError with code GRPO_SHAPE when lengths differ
 */
export function segmentRatioBackward(
  dratio: Float64Array,
  ratios: SegmentRatios,
  mask: Uint8Array,
  segments: Int32Array,
  options: SegmentRatioOptions = {},
): Float64Array {
  const dlogp = new Float64Array(dratio.length);
  const { mean = true, logRatioCap = Number.POSITIVE_INFINITY } = options;
  const { ratio, logRatio, count } = ratios;
  loadAddon().segmentRatioBackward(dratio, ratio, logRatio, count, mask, segments, mean, logRatioCap, dlogp);
  return dlogp;
}

/**
 * Counts what a clip to [1 - epsilonLow, 1 + epsilonHigh] holds back, over actions and over segments (with the advantage of
 * the segment's first counted action).
 *
 * @param ratio per action, from {@link segmentRatio}
 * @throws RangeError with code GRPO_SHAPE when lengths differ
 */
export function segmentClipStats(
  ratio: Float64Array,
  mask: Uint8Array,
  segments: Int32Array,
  advantage: Float64Array,
  epsilonLow: number,
  epsilonHigh: number,
): { actions: ClipCounts; segments: ClipCounts } {
  const counts = new Float64Array(6);
  loadAddon().segmentClipStats(ratio, mask, segments, advantage, epsilonLow, epsilonHigh, counts);
  const [low, high, total, segmentLow, segmentHigh, segmentTotal] = counts as unknown as number[];
  return {
    actions: { low: low!, high: high!, total: total! },
    segments: { low: segmentLow!, high: segmentHigh!, total: segmentTotal! },
  };
}
