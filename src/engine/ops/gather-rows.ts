import { loadAddon } from "../../native/load.js";
import type { Graph } from "../graph.js";
import type { Tensor } from "../tensor.js";

/**
 * Rows of `x` by index. In the backward pass rows that are not named get no gradient.
 *
 * @param x (M, C)
 * @param rows indices into `x`, each at most once; must not change before the backward pass
 * @returns (rows.length, C)
 * @throws RangeError with code GRPO_SHAPE when an index is negative or not below M
 */
export function gatherRows(g: Graph, x: Tensor, rows: Int32Array): Tensor {
  const addon = loadAddon();
  const columns = x.shape.at(-1)!;
  const y = g.empty(x.dtype, [rows.length, columns]);
  addon.gatherRows(columns, rows, x.handle, y.handle);
  g.record([y], [], () => {
    const dy = g.gradient(y);
    if (dy === null) return;
    const dx = g.inputGradient(x);
    addon.gatherRowsBackward(columns, rows, dy.handle, dx.tensor.handle, dx.accumulate);
  });
  return y;
}
