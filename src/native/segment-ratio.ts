/** native/cpp/binding/segment_ratio.cpp */
export interface SegmentRatioAddon {
  segmentRatio(
    logp: Float64Array,
    old: Float64Array,
    mask: Uint8Array,
    segments: Int32Array,
    mean: boolean,
    cap: number,
    ratio: Float64Array,
    logRatio: Float64Array,
    count: Float64Array,
  ): void;
  segmentRatioBackward(
    dratio: Float64Array,
    ratio: Float64Array,
    logRatio: Float64Array,
    count: Float64Array,
    mask: Uint8Array,
    segments: Int32Array,
    mean: boolean,
    cap: number,
    dlogp: Float64Array,
  ): void;
  segmentClipStats(
    ratio: Float64Array,
    mask: Uint8Array,
    segments: Int32Array,
    advantage: Float64Array,
    epsilonLow: number,
    epsilonHigh: number,
    counts: Float64Array,
  ): void;
}
