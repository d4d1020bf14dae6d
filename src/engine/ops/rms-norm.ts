import { loadAddon } from "../../native/load.js";
import type { Graph } from "../graph.js";
import type { Parameter } from "../parameter.js";
import { accumulatorType, type Tensor } from "../tensor.js";

/**
 * Root-mean-square normalisation over the last axis, y = x / sqrt(mean(x^2) + eps) * weight (Zhang & Sennrich 2019, eq. 4).
 *
 * @param x (M, C)
 * @param weight vector (C)
 * @param eps added to the mean square; a model's config calls it `rms_norm_eps`
 * @returns (M, C)
 * @throws RangeError with code GRPO_SHAPE when `x` does not consist of rows of C
 */
export function rmsNorm(g: Graph, x: Tensor, weight: Parameter, eps: number): Tensor {
  const addon = loadAddon();
  const y = g.empty(x.dtype, x.shape);
  const invRms = g.empty(accumulatorType(x.dtype), [Math.floor(x.size / weight.count)]);
  addon.rmsNorm(eps, x.handle, weight.value.handle, y.handle, invRms.handle);
  g.record([y], [invRms], () => {
    const dy = g.gradient(y);
    if (dy === null) return;
    const dx = g.inputGradient(x);
    addon.rmsNormBackward(
      x.handle,
      weight.value.handle,
      invRms.handle,
      dy.handle,
      dx.tensor.handle,
      dx.accumulate,
      weight.gradTensor().handle,
    );
  });
  return y;
}
