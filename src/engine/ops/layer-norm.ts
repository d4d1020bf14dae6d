import { loadAddon } from "../../native/load.js";
import type { Graph } from "../graph.js";
import type { Parameter } from "../parameter.js";
import { accumulatorType, type Tensor } from "../tensor.js";

/**
 * Layer normalisation over the last axis, y = (x - mean) / sqrt(var + eps) * weight + bias (Ba, Kiros & Hinton 2016, eq. 4).
 *
 * @param x (M, C)
 * @param weight vector (C)
 * @param bias vector (C), or null for none
 * @param eps added to the variance; a model's config calls it `layer_norm_epsilon`
 * @returns (M, C)
 * @throws RangeError with code GRPO_SHAPE when `x` does not consist of rows of C
 */
export function layerNorm(g: Graph, x: Tensor, weight: Parameter, bias: Parameter | null, eps: number): Tensor {
  const addon = loadAddon();
  const y = g.empty(x.dtype, x.shape);
  const stats = g.empty(accumulatorType(x.dtype), [2, Math.floor(x.size / weight.count)]);
  addon.layerNorm(eps, x.handle, weight.value.handle, bias?.value.handle ?? null, y.handle, stats.handle);
  g.record([y], [stats], () => {
    const dy = g.gradient(y);
    if (dy === null) return;
    const dx = g.inputGradient(x);
    addon.layerNormBackward(
      x.handle,
      weight.value.handle,
      stats.handle,
      dy.handle,
      dx.tensor.handle,
      dx.accumulate,
      weight.gradTensor().handle,
      bias?.gradTensor().handle ?? null,
    );
  });
  return y;
}
