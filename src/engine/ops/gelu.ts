import { loadAddon } from "../../native/load.js";
import type { Graph } from "../graph.js";
import type { Tensor } from "../tensor.js";

/**
 * Gaussian error linear unit (Hendrycks & Gimpel 2016), element by element.
 *
 * @param approximate `none` is x * Phi(x); `tanh` the approximation that GPT-2 calls `gelu_new`
 */
export function gelu(g: Graph, x: Tensor, approximate: "none" | "tanh" = "none"): Tensor {
  const addon = loadAddon();
  const tanh = approximate === "tanh";
  const y = g.empty(x.dtype, x.shape);
  addon.gelu(tanh, x.handle, y.handle);
  g.record([y], [], () => {
    const dy = g.gradient(y);
    if (dy === null) return;
    const dx = g.inputGradient(x);
    addon.geluBackward(tanh, x.handle, dy.handle, dx.tensor.handle, dx.accumulate);
  });
  return y;
}
