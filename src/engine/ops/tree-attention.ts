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
  queryRows?: Int32Array | undefined;
}

/**
 * Gradients of the keys and values of a pool while the backward pass goes through its queries, and the scratch for it. The
 * sums continue from call to call, so that runs of rows in ascending order give the bits of one call for all.
 */
export interface KeyGradients {
  dk: Tensor;
  dv: Tensor;
  kRows: Tensor;
  vColumns: Tensor;
}

/**
 * Attention over the paths of a forest, each key computed and stored once: causal, or up to `plan.lastKeys`.
 *
 * @param qkv (rows, (heads + 2 kvHeads) headDim): queries, keys, values, positions already embedded
 * @returns (rows or queryRows.length, heads headDim); zeros for padding rows
 * @throws RangeError with code GRPO_SHAPE when the plan does not fit the tensors
 */
export function treeAttention(g: Graph, qkv: Tensor, options: TreeAttentionOptions): Tensor {
  const { kv } = options;
  const { out, stats } = attend(g, qkv, options);
  if (stats === null) {
    g.done(kv.k);
    g.done(kv.v);
    return out;
  }
  g.record([out], [stats, kv.k, kv.v], () => {
    const dout = g.gradient(out);
    if (dout === null) return;
    const { tensor: dqkv, accumulate } = g.inputGradient(qkv);
    const keys = newKeyGradients(kv, false);
    backwardQueries({ qkv, out, stats, dout, dq: dqkv, accumulate, keys, continued: false }, options);
    backwardKeys({ dq: null, keys, dqkv, accumulate }, options);
    disposeKeyGradients(keys);
  });
  return out;
}

/**
 * The forward pass alone. With a tape it also gives `stats`, which {@link backwardQueries} needs; nothing is recorded.
 *
 * @throws RangeError with code GRPO_SHAPE when the plan does not fit the tensors
 */
export function attend(g: Graph, qkv: Tensor, options: TreeAttentionOptions): { out: Tensor; stats: Tensor | null } {
  const { plan, kv, heads, kvHeads, headDim, scale } = options;
  const queries = options.queryRows?.length ?? plan.rows;
  const out = g.empty(qkv.dtype, [queries, heads * headDim]);
  const stats = g.grad ? g.empty(accumulatorType(qkv.dtype), [queries, heads, 2]) : null;
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
    ...planArguments(options),
  );
  return { out, stats };
}

/** Tensors of one call of {@link backwardQueries}: those of the forward pass, their gradients, and the sums over queries. */
export interface QueryGradients {
  qkv: Tensor;
  out: Tensor;
  stats: Tensor;
  dout: Tensor;
  /** (rows, heads headDim), or those columns of (rows, (heads + 2 kvHeads) headDim). */
  dq: Tensor;
  accumulate: boolean;
  keys: KeyGradients;
  /** Whether `keys` continue from an earlier run of rows. */
  continued: boolean;
}

/**
 * Gradients of the queries, and what they add to those of the keys they saw.
 *
 * @throws RangeError with code GRPO_SHAPE when the plan does not fit the tensors
 */
export function backwardQueries(t: QueryGradients, options: TreeAttentionOptions): void {
  const { plan, kv, heads, kvHeads, headDim, scale } = options;
  const delta = new Tensor(t.stats.dtype, [t.out.shape[0]!, heads]);
  loadAddon().treeAttentionBackwardQueries(
    heads,
    kvHeads,
    headDim,
    scale,
    plan.rows,
    t.qkv.handle,
    kv.k.handle,
    kv.v.handle,
    t.out.handle,
    t.stats.handle,
    t.dout.handle,
    t.dq.handle,
    t.accumulate,
    t.keys.dk.handle,
    t.keys.dv.handle,
    t.continued,
    t.keys.kRows.handle,
    t.keys.vColumns.handle,
    delta.handle,
    ...planArguments(options),
  );
  delta.dispose();
}

/**
 * Adds the gradients of the plan's copied keys to those of their source, then fills `dqkv` (rows, (heads + 2 kvHeads) headDim) of the
 * plan's rows: keys and values from `keys`; queries from `dq` (rows, heads headDim), or as they are there when null. Those of rows that
 * were not queried become zero.
 *
 * @throws RangeError with code GRPO_SHAPE when the plan does not fit the tensors
 */
export function backwardKeys(
  t: { dq: Tensor | null; keys: KeyGradients; dqkv: Tensor; accumulate: boolean },
  options: Omit<TreeAttentionOptions, "kv" | "scale">,
): void {
  loadAddon().treeAttentionBackwardKeys(
    options.heads,
    options.kvHeads,
    options.headDim,
    options.plan.rows,
    t.dq?.handle ?? null,
    t.keys.dk.handle,
    t.keys.dv.handle,
    t.dqkv.handle,
    t.accumulate,
    ...planArguments(options),
  );
}

/** Gradients for the pools of a store, `zero` where sums are to continue from the start; free them with {@link disposeKeyGradients}. */
export function newKeyGradients({ k }: KvStore, zero: boolean): KeyGradients {
  const sums = accumulatorType(k.dtype as FloatType);
  return {
    dk: new Tensor(sums, k.shape, zero),
    dv: new Tensor(sums, k.shape, zero),
    kRows: new Tensor(k.dtype, k.shape),
    vColumns: new Tensor(k.dtype, k.shape),
  };
}

/** Frees what {@link newKeyGradients} made. */
export function disposeKeyGradients(keys: KeyGradients): void {
  for (const tensor of Object.values(keys) as Tensor[]) tensor.dispose();
}

function planArguments({ plan, queryRows }: Pick<TreeAttentionOptions, "plan" | "queryRows">): PlanArguments {
  const { position, table, tableStart, blocks, writeBlock, copies, lastKeys } = plan;
  return [position, table, tableStart, blocks, writeBlock, copies, queryRows ?? null, lastKeys ?? null];
}
