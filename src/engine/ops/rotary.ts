import { loadAddon } from "../../native/load.js";
import type { Graph } from "../graph.js";
import type { Parameter } from "../parameter.js";
import type { Tensor } from "../tensor.js";

/** What {@link rotary} needs beside the projections. */
export interface RotaryOptions {
  /** (rows) row of `table` per packed row: the position in its path. */
  positions: Int32Array;
  /** (positions, headDim) float32 (float64 for f64): cosines of the headDim / 2 angles, then their sines. */
  table: Tensor;
  heads: number;
  kvHeads: number;
  headDim: number;
  /** RMS norm of each query head before the rotation (Qwen3), (headDim). */
  qNorm?: Parameter;
  /** The same for key heads. */
  kNorm?: Parameter;
  /** Added to the mean square of the norms. */
  epsilon?: number;
}

/**
 * Optional RMS norm per head, then rotary position embedding of queries and keys (pairs i, i + headDim / 2); values pass.
 *
 * @param qkv (rows, (heads + 2 kvHeads) headDim)
 * @returns a new tensor when a norm is given; else `qkv` itself, rotated in place
 * @throws RangeError with code GRPO_SHAPE when a size does not fit or a position lies outside the table
 */
export function rotary(g: Graph, qkv: Tensor, options: RotaryOptions): Tensor {
  const { positions, table, heads, kvHeads, headDim, qNorm, kNorm, epsilon = 0 } = options;
  const normed = qNorm !== undefined || kNorm !== undefined;
  const y = normed ? g.empty(qkv.dtype, qkv.shape) : qkv;
  const q = qNorm?.value.handle ?? null;
  const k = kNorm?.value.handle ?? null;
  const rows = positions.length;
  loadAddon().rotary(heads, kvHeads, headDim, epsilon, rows, positions, table.handle, q, k, qkv.handle, y.handle);
  g.record(normed ? [y] : [], [], () => {
    const dy = g.gradient(y);
    if (dy === null) return;
    const { tensor: dx, accumulate } = normed ? g.inputGradient(qkv) : { tensor: dy, accumulate: false };
    loadAddon().rotaryBackward(
      heads,
      kvHeads,
      headDim,
      epsilon,
      rows,
      positions,
      table.handle,
      q,
      k,
      normed ? qkv.handle : null,
      dy.handle,
      dx.handle,
      accumulate,
      qNorm?.gradTensor().handle ?? null,
      kNorm?.gradTensor().handle ?? null,
    );
  });
  return y;
}
