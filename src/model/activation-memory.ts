import type { ModelConfig } from "./config.js";

/**
 * Numbers that a training pass holds per packed row, at its peak, for each way of {@link Checkpointing}: all activations,
 * the inputs of layers and the activations of one, or the inputs and what streaming one layer needs.
 */
export function activationSizes(config: ModelConfig): { plain: number; layer: number; stream: number } {
  const { hiddenSize: C, intermediateSize: F, heads, kvHeads, headDim: D, layers } = config;
  const kv = 2 * kvHeads * D;
  const qkv = heads * D + kv;
  const layer = 4 * C + qkv + kv + heads * D + 3 * F;
  // Gradients of the activated and of the gates and ups; of the layer's input and output.
  const gradients = 3 * F + 2 * C;
  return {
    plain: layers * layer + gradients,
    layer: layers * C + layer + gradients,
    stream: layers * C + 2 * C + qkv + 4 * kv,
  };
}
