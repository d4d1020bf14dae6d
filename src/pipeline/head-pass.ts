import { Graph } from "../engine/graph.js";
import { accumulatorType, Tensor } from "../engine/tensor.js";
import type { Decoder } from "../model/decoder.js";
import type { PackedTree } from "../model/packed-tree.js";
import type { ScalarHead } from "../model/scalar-head.js";
import type { Episode } from "../tree/episode.js";
import { checkpointingFor } from "./checkpointing.js";
import { cutTrees, type PassCounts, type PassOptions, pack } from "./policy.js";

/**
 * What a head says at the rows that predict the tokens marked by `wanted`, without gradient and without the LM head.
 *
 * @returns (response, outputs) per episode, row-major; NaN where nothing was asked for
 */
export async function headScores(
  decoder: Decoder,
  head: ScalarHead,
  episodes: readonly Episode[],
  wanted: readonly Uint8Array[],
  options: PassOptions,
): Promise<Float64Array[]> {
  const scores = new Array<Float64Array>(episodes.length);
  for (const indices of cutTrees(episodes, options)) {
    const tree = pack(episodes, wanted, indices, options);
    const g = new Graph({ grad: false });
    try {
      const output = tree.pairIds.length === 0 ? null : await forward(g, decoder, head, tree, options);
      const said = gather(tree, output, head.outputs);
      for (const [k, e] of indices.entries()) scores[e] = said[k]!;
    } finally {
      g.dispose();
    }
  }
  return scores;
}

/**
 * Forward, `gradients`, backward, tree by tree: adds to the gradients of decoder and head.
 *
 * @param gradients given the indices of a run of whole trees and what {@link headScores} would say of them; returns
 *   d loss / d score in the same shapes
 */
export async function accumulateHeadGradients(
  decoder: Decoder,
  head: ScalarHead,
  episodes: readonly Episode[],
  wanted: readonly Uint8Array[],
  options: PassOptions,
  gradients: (indices: readonly number[], scores: Float64Array[]) => Float64Array[],
): Promise<PassCounts> {
  const counts: PassCounts = { uniqueTokens: 0, logicalTokens: 0 };
  for (const indices of cutTrees(episodes, options)) {
    const tree = pack(episodes, wanted, indices, options);
    if (tree.pairIds.length === 0) continue;
    counts.uniqueTokens += tree.tokens.length;
    counts.logicalTokens += tree.logicalTokens;
    const g = new Graph({ grad: true });
    try {
      const output = await forward(g, decoder, head, tree, options);
      const dscores = scatter(tree, gradients(indices, gather(tree, output, head.outputs)), head.outputs);
      g.seed(output, Tensor.from(dscores, output.shape, accumulatorType(decoder.dtype)));
      await g.backward();
    } finally {
      g.dispose();
    }
  }
  return counts;
}

async function forward(g: Graph, decoder: Decoder, head: ScalarHead, tree: PackedTree, options: PassOptions) {
  const { tokens, plan, blocks, outputRows } = tree;
  const checkpoint = checkpointingFor(decoder.config, tokens.length, options);
  const hidden = await decoder.forward(g, { tokens, plan, blocks, outputRows, checkpoint });
  const output = head.forward(g, hidden);
  g.done(hidden);
  return output;
}

function gather(tree: PackedTree, output: Tensor | null, width: number): Float64Array[] {
  const values = output?.toArray() ?? new Float64Array(0);
  return tree.episodePairs.map((pairs) => {
    const own = new Float64Array(pairs.length * width).fill(Number.NaN);
    pairs.forEach((pair, t) => {
      if (pair < 0) return;
      const row = tree.pairRows[pair]! * width;
      own.set(values.subarray(row, row + width), t * width);
    });
    return own;
  });
}

/** Gradients of rows that several episodes share add in episode order. */
function scatter(tree: PackedTree, gradients: readonly Float64Array[], width: number): Float64Array {
  const out = new Float64Array(tree.outputRows.length * width);
  for (const [e, pairs] of tree.episodePairs.entries()) {
    pairs.forEach((pair, t) => {
      if (pair < 0) return;
      const row = tree.pairRows[pair]! * width;
      for (let k = 0; k < width; k++) out[row + k]! += gradients[e]![t * width + k]!;
    });
  }
  return out;
}
