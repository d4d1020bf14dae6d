import { loadAddon } from "../../native/load.js";
import type { Graph } from "../graph.js";
import { type Parameter, RowGrad } from "../parameter.js";
import type { Tensor } from "../tensor.js";

/**
 * Rows of an embedding table. The gradient goes into `weight.rowGrad`, row by row in order, and joins the dense gradient
 * once per step (`foldRowGrad`): a tied table is also the LM head, which has an accumulator of its own.
 *
 * @param ids (M); must not change before the backward pass
 * @param weight (V, C) as panels or rows
 * @returns (M, C)
 * @throws RangeError with code GRPO_SHAPE when an id is negative or not below V
 */
export function embedding(g: Graph, ids: Int32Array, weight: Parameter): Tensor {
  const addon = loadAddon();
  const [rows, columns] = weight.shape as [number, number];
  const y = g.empty(weight.dtype, [ids.length, columns]);
  addon.embedding(weight.layout === "panels", rows, columns, ids, weight.value.handle, y.handle);
  g.record([y], [], () => {
    const dy = g.gradient(y);
    if (dy === null) return;
    weight.rowGrad ??= new RowGrad(columns, weight.dtype);
    const slots = weight.rowGrad.slotsOf(ids);
    addon.embeddingBackward(columns, slots, dy.handle, weight.rowGrad.data.handle);
  });
  return y;
}
