import { Graph } from "./graph.js";
import { createKvStore, disposeKvStore, type KvStore } from "./kv-store.js";
import { copyOfRows, pickRows, placeRows, writeRows } from "./ops/copy.js";
import {
  attend,
  backwardKeys,
  backwardQueries,
  disposeKeyGradients,
  type KeyGradients,
  newKeyGradients,
  type TreeAttentionOptions,
  treeAttention,
} from "./ops/tree-attention.js";
import { cutRows, type RowRun } from "./row-runs.js";
import { type FloatType, Tensor } from "./tensor.js";
import { yieldPoint } from "./yield.js";

/** A decoder layer cut at its attention; each half acts on rows one by one. */
export interface LayerHalves {
  /** Rows of the layer's input to queries, keys and values, positions embedded. */
  project(g: Graph, x: Tensor, positions: Int32Array): Tensor;
  /** Input rows and what their queries saw to the layer's output for `queryRows` (all by default), the input added to it. */
  finish(g: Graph, x: Tensor, attended: Tensor, queryRows: Int32Array | undefined): Tensor;
}

/** What {@link streamed} needs beside the layer. */
export interface StreamOptions extends Omit<TreeAttentionOptions, "kv"> {
  /** Key blocks the plan addresses. */
  blocks: number;
  /** Rows that are computed together. */
  chunk: number;
}

/**
 * A decoder layer in chunks of rows, forward and backward (StreamBP, arXiv 2506.03077): nothing but keys, values and the
 * gradients at the layer's ends is held for all rows. Each chunk is computed again, with its keys appended to those before it,
 * and back-propagated before the next; the gradients of keys add up over the chunks, and a last walk takes them and those of
 * the queries through the projections. All sums over rows are chains in row order, so that output and gradients have the bits
 * of the plain layer whatever the chunk.
 *
 * @param x (rows, C)
 * @returns (rows or queryRows.length, C), owned by `g`
 */
export async function streamed(g: Graph, x: Tensor, layer: LayerHalves, options: StreamOptions): Promise<Tensor> {
  const runs = cutRows(options.plan, options.queryRows, options.chunk);
  const output = g.empty(x.dtype, [options.queryRows?.length ?? options.plan.rows, x.shape[1]!]);
  const kv = newStore(x, options);
  try {
    for (const run of runs) {
      const once = new Graph({ grad: false });
      try {
        const rows = once.own(copyOfRows(x, run.first, run.plan.rows));
        const qkv = layer.project(once, rows, run.plan.position);
        const attended = treeAttention(once, qkv, attentionOf(run, kv, options));
        once.done(qkv);
        writeRows(output, run.firstQuery, layer.finish(once, rows, attended, run.queryRows));
      } finally {
        once.dispose();
      }
      const pause = yieldPoint();
      if (pause !== undefined) await pause;
    }
  } finally {
    disposeKvStore(kv);
  }
  g.record([output], [], async () => {
    const gradient = g.takeGradient(output);
    if (gradient === null) return;
    g.free(output);
    const dy = options.queryRows === undefined ? gradient : placeRows(gradient, options.queryRows, x);
    // Gradients of the input take the place of those of the output, row by row.
    const given = g.takeGradient(x);
    try {
      await backward({ x, dx: given ?? dy, continued: given !== null, dy, runs, layer, options });
    } finally {
      if (given !== null) dy.dispose();
      g.seed(x, given ?? dy);
    }
  });
  return output;
}

interface BackwardPass {
  x: Tensor;
  /** Receives the gradient of the input. */
  dx: Tensor;
  /** Whether `dx` holds gradients to continue from. */
  continued: boolean;
  /** Gradient of the output, in the rows of the input. */
  dy: Tensor;
  runs: readonly RowRun[];
  layer: LayerHalves;
  options: StreamOptions;
}

/** From the layer's output to its input, with the gradients of its parameters. */
async function backward(pass: BackwardPass): Promise<void> {
  const { runs, options } = pass;
  const kv = newStore(pass.x, options);
  const keys = newKeyGradients(kv, true);
  const dq: Tensor[] = [];
  try {
    for (const run of runs) dq.push(await backwardFinish(pass, run, kv, keys));
    disposeKvStore(kv);
    for (const [i, run] of runs.entries()) {
      // Gradients of copied keys go to their sources before the first are taken.
      const copies = i === 0 ? options.plan.copies : new Int32Array(0);
      const attention = { ...attentionOf(run, kv, options), plan: { ...run.plan, copies } };
      const dqkv = new Tensor(pass.x.dtype, [run.plan.rows, (options.heads + 2 * options.kvHeads) * options.headDim]);
      backwardKeys({ dq: dq[i]!, keys, dqkv, accumulate: false }, attention);
      dq[i]!.dispose();
      await backwardProject(pass, run, dqkv);
    }
  } finally {
    disposeKvStore(kv);
    disposeKeyGradients(keys);
    for (const tensor of dq) tensor.dispose();
  }
}

/**
 * Recomputes a run and takes its gradient back through everything after the projections: `dx` gets the residual's part, `keys`
 * what its queries add.
 *
 * @returns gradient of the run's queries
 */
async function backwardFinish(pass: BackwardPass, run: RowRun, kv: KvStore, keys: KeyGradients): Promise<Tensor> {
  const { x, dx, dy, layer } = pass;
  const g = new Graph({ grad: true });
  try {
    const rows = g.own(copyOfRows(x, run.first, run.plan.rows));
    const qkv = g.own(projected(rows, run, layer));
    const dq = g.empty(x.dtype, [run.plan.rows, pass.options.heads * pass.options.headDim]);
    const attention = attentionOf(run, kv, pass.options);
    const { out, stats } = attend(g, qkv, attention);
    g.record([out], [stats!, qkv], () => {
      const dout = g.gradient(out);
      if (dout === null) return;
      const tensors = { qkv, out, stats: stats!, dout, dq, accumulate: false, keys, continued: true };
      backwardQueries(tensors, attention);
    });
    const y = layer.finish(g, rows, out, run.queryRows);
    if (pass.continued) g.seed(rows, copyOfRows(dx, run.first, run.plan.rows));
    g.seed(y, queriedRows(dy, run));
    await g.backward();
    const residual = g.takeGradient(rows)!;
    writeRows(dx, run.first, residual);
    residual.dispose();
    return g.keep(dq);
  } finally {
    g.dispose();
  }
}

function queriedRows(dy: Tensor, { first, plan, queryRows }: RowRun): Tensor {
  if (queryRows === undefined) return copyOfRows(dy, first, plan.rows);
  return pickRows(
    dy,
    queryRows.map((row) => first + row),
  );
}

/** Takes the gradient of a run's queries, keys and values back through the projections, onto `dx`. */
async function backwardProject({ x, dx, layer }: BackwardPass, run: RowRun, dqkv: Tensor): Promise<void> {
  const g = new Graph({ grad: true });
  try {
    const rows = g.own(copyOfRows(x, run.first, run.plan.rows));
    const qkv = layer.project(g, rows, run.plan.position);
    g.seed(qkv, dqkv);
    g.seed(rows, copyOfRows(dx, run.first, run.plan.rows));
    await g.backward();
    const gradient = g.takeGradient(rows)!;
    writeRows(dx, run.first, gradient);
    gradient.dispose();
  } finally {
    g.dispose();
  }
}

/** Queries, keys and values of a run, without a tape. */
function projected(rows: Tensor, run: RowRun, layer: LayerHalves): Tensor {
  const once = new Graph({ grad: false });
  try {
    return once.keep(layer.project(once, rows, run.plan.position));
  } finally {
    once.dispose();
  }
}

function attentionOf(run: RowRun, kv: KvStore, options: StreamOptions): TreeAttentionOptions {
  const { heads, kvHeads, headDim, scale } = options;
  return { heads, kvHeads, headDim, scale, kv, plan: run.plan, queryRows: run.queryRows };
}

function newStore(x: Tensor, { blocks, kvHeads, headDim }: StreamOptions): KvStore {
  return createKvStore(blocks, kvHeads, headDim, x.dtype as FloatType);
}
