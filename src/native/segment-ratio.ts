/** native/cpp/binding/segment_ratio.cpp */
// biome-ignore lint/suspicious/noEmptyInterface: filled with its kernels
export interface SegmentRatioAddon {}
