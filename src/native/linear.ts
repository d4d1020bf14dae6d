/** native/cpp/binding/linear.cpp */
// biome-ignore lint/suspicious/noEmptyInterface: filled with its kernels
export interface LinearAddon {}
