import { loadAddon } from "../../native/load.js";
import type { Graph } from "../graph.js";
import type { Tensor } from "../tensor.js";

/**
 * Gated activation silu(gate) * up (Shazeer 2020, eq. 6), rounded once.
 *
 * @param gateUp (M, 2F): the gates of a row, then its ups
 * @returns (M, F)
 * @throws RangeError with code GRPO_SHAPE when the last axis is odd
 */
export function swiglu(g: Graph, gateUp: Tensor): Tensor {
  const addon = loadAddon();
  const columns = gateUp.shape.at(-1)! / 2;
  const y = g.empty(gateUp.dtype, [...gateUp.shape.slice(0, -1), columns]);
  addon.swiglu(columns, gateUp.handle, y.handle);
  g.record([y], [], () => {
    const dy = g.gradient(y);
    if (dy === null) return;
    const dx = g.inputGradient(gateUp);
    addon.swigluBackward(columns, gateUp.handle, dy.handle, dx.tensor.handle, dx.accumulate);
  });
  return y;
}
