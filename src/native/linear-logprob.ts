/** native/cpp/binding/linear_logprob.cpp */
// biome-ignore lint/suspicious/noEmptyInterface: filled with its kernels
export interface LinearLogprobAddon {}
