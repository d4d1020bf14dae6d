import type { ModelConfig } from "./config.js";

/**
 * Numbers that a training pass holds per packed row, at its peak, for each way of {@link Checkpointing}: all activations,
 * the inputs of layers and the activations of one, or the inputs and what streaming one layer needs; `grouped` keeps only the
 * inputs of every {@link streamGroup}-th layer and those within one group.
 */
export function activationSizes(config: ModelConfig): {
  plain: number;
  layer: number;
  stream: number;
  grouped: number;
} {
  const { hiddenSize: C, intermediateSize: F, heads, kvHeads, headDim: D, layers } = config;
  const kv = 2 * kvHeads * D;
  const qkv = heads * D + kv;
  const layer = 4 * C + qkv + kv + heads * D + 3 * F;
  // Gradients of the activated and of the gates and ups; of the layer's input and output.
  const gradients = 3 * F + 2 * C;
  // The gradient at the layer's ends, that of its queries; keys and values, their gradients, and both transposed.
  const streaming = C + heads * D + 3 * kv;
  const group = streamGroup(config);
  return {
    plain: layers * layer + gradients,
    layer: layers * C + layer + gradients,
    stream: layers * C + streaming,
    grouped: (Math.ceil(layers / group) + group) * C + streaming,
  };
}

/** Layers per group that make the inputs held the fewest: about the root of their number. */
export function streamGroup({ layers }: ModelConfig): number {
  return Math.max(1, Math.round(Math.sqrt(layers)));
}
