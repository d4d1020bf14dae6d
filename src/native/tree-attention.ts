/** native/cpp/binding/tree_attention.cpp */
// biome-ignore lint/suspicious/noEmptyInterface: filled with its kernels
export interface TreeAttentionAddon {}
