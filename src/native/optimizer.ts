/** native/cpp/binding/optimizer.cpp */
// biome-ignore lint/suspicious/noEmptyInterface: filled with its kernels
export interface OptimizerAddon {}
