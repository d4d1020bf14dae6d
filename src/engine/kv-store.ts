import { loadAddon } from "../native/load.js";
import { BLOCK_KEYS } from "./attention-plan.js";
import type { Graph } from "./graph.js";
import { type FloatType, Tensor } from "./tensor.js";

/** K and V of one layer in blocks of 64 keys; the layout is that of native/cpp/kernels/tree_attention.h. */
export interface KvStore {
  k: Tensor;
  v: Tensor;
  kvHeads: number;
  headDim: number;
}

/** Elements of the K pool (and of the V pool) of `blocks` blocks: the head dimension is padded to 16 lanes. */
export function kvPoolElements(blocks: number, kvHeads: number, headDim: number): number {
  return blocks * kvHeads * BLOCK_KEYS * Math.ceil(headDim / 16) * 16;
}

/** Uninitialised pools of `blocks` blocks that belong to the caller; free them with {@link disposeKvStore}. */
export function createKvStore(blocks: number, kvHeads: number, headDim: number, dtype: FloatType): KvStore {
  const shape = [kvPoolElements(blocks, kvHeads, headDim)];
  return { k: new Tensor(dtype, shape), v: new Tensor(dtype, shape), kvHeads, headDim };
}

/** Uninitialised pools of `blocks` blocks that belong to a graph: for one forward pass over whole trees. */
export function newKvStore(g: Graph, blocks: number, kvHeads: number, headDim: number, dtype: FloatType): KvStore {
  const kv = createKvStore(blocks, kvHeads, headDim, dtype);
  g.own(kv.k);
  g.own(kv.v);
  return kv;
}

/**
 * Copies the first keys of blocks into others, in order, when a decoding path forks inside a block.
 *
 * @param copies (n x 3) source block, target block, keys
 * @throws RangeError with code GRPO_SHAPE when a block does not exist
 */
export function copyBlocks(kv: KvStore, copies: Int32Array): void {
  loadAddon().copyBlocks(kv.kvHeads, kv.headDim, kv.k.handle, kv.v.handle, copies);
}

/** Frees the pools. */
export function disposeKvStore(kv: KvStore): void {
  kv.k.dispose();
  kv.v.dispose();
}
