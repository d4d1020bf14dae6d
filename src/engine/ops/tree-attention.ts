import { loadAddon } from "../../native/load.js";
import type { PlanArguments } from "../../native/tree-attention.js";
import type { AttentionPlan } from "../attention-plan.js";
import type { Graph } from "../graph.js";
import type { KvStore } from "../kv-store.js";
import { accumulatorType, type FloatType, Tensor } from "../tensor.js";

/** What {@link treeAttention} needs beside q, k and v. */
export interface TreeAttentionOptions {
  plan: AttentionPlan;
  /** Pools that receive the new keys and hold those of earlier calls; with a tape, fresh pools of the graph. */
  kv: KvStore;
  heads: number;
  kvHeads: number;
  headDim: number;
  /** Factor of q . k, usually headDim^-0.5. */
  scale: number;
  /** Rows to attend for, ascending; every row by default. Keys are written for every row in any case. */
  queryRows?: Int32Array;
}

/**
 * Attention over the paths of a forest, each key computed and stored once: causal, or up to `plan.lastKeys`.
 *
 * @param qkv (rows, (heads + 2 kvHeads) headDim): queries, keys, values, positions already embedded
 * @returns (rows or queryRows.length, heads headDim); zeros for padding rows
 * @throws RangeError with code GRPO_SHAPE when the plan does not fit the tensors
 */
export function treeAttention(g: Graph, qkv: Tensor, options: TreeAttentionOptions): Tensor {
  const { plan, kv, heads, kvHeads, headDim, scale } = options;
  const dtype = qkv.dtype as FloatType;
  const queries = options.queryRows?.length ?? plan.rows;
  const sums = accumulatorType(dtype);
  const planArguments: PlanArguments = [
    plan.position,
    plan.table,
    plan.tableStart,
    plan.blocks,
    plan.writeBlock,
    plan.copies,
    options.queryRows ?? null,
    plan.lastKeys ?? null,
  ];
  const out = g.empty(dtype, [queries, heads * headDim]);
  const stats = g.grad ? g.empty(sums, [queries, heads, 2]) : null;
  loadAddon().treeAttention(
    heads,
    kvHeads,
    headDim,
    scale,
    plan.rows,
    qkv.handle,
    kv.k.handle,
    kv.v.handle,
    out.handle,
    stats?.handle ?? null,
    ...planArguments,
  );
  if (stats === null) {
    g.done(kv.k);
    g.done(kv.v);
    return out;
  }
  g.record([out], [stats, kv.k, kv.v], () => {
    const dout = g.gradient(out);
    if (dout === null) return;
    const { tensor: dqkv, accumulate } = g.inputGradient(qkv);
    const pool = kv.k.shape;
    const work = [
      new Tensor(sums, pool),
      new Tensor(sums, pool),
      new Tensor(dtype, pool),
      new Tensor(dtype, pool),
      new Tensor(sums, [queries, heads]),
    ] as const;
    const [dk, dv, kRows, vColumns, delta] = work;
    loadAddon().treeAttentionBackward(
      heads,
      kvHeads,
      headDim,
      scale,
      plan.rows,
      qkv.handle,
      kv.k.handle,
      kv.v.handle,
      out.handle,
      stats.handle,
      dout.handle,
      dqkv.handle,
      accumulate,
      dk.handle,
      dv.handle,
      kRows.handle,
      vColumns.handle,
      delta.handle,
      ...planArguments,
    );
    for (const tensor of work) tensor.dispose();
  });
  return out;
}
