/** native/cpp/binding/pointwise.cpp */
// biome-ignore lint/suspicious/noEmptyInterface: filled with its kernels
export interface PointwiseAddon {}
