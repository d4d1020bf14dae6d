import { Graph } from "../engine/graph.js";
import { linearLogprob } from "../engine/ops/linear-logprob.js";
import type { Products } from "../engine/products.js";
import { accumulatorType, Tensor } from "../engine/tensor.js";
import type { Checkpointing, Decoder } from "../model/decoder.js";
import type { KeptProducts } from "../model/kept-products.js";
import { type PackedTree, packEpisodes } from "../model/packed-tree.js";
import type { ScalarHead } from "../model/scalar-head.js";
import type { Episode } from "../tree/episode.js";
import { pathSegments, type Segment } from "../tree/segment.js";
import { checkpointingFor } from "./checkpointing.js";

/** What a pass over episodes depends on besides the weights. */
export interface PassOptions {
  /** Divides the logits; the sampling temperature of the run. */
  temperature: number;
  /** Ids from here on get no probability (the tokenizer's size). */
  vocabSize: number;
  /** Most unique tokens of one forward pass. The result does not depend on it. */
  maxTokens: number;
  /** Whether episodes of one prompt share its rows, or each is packed on its own. */
  sharedPrefix: boolean;
  /** What the forward pass keeps for the backward. The result does not depend on it. */
  checkpoint: Checkpointing;
}

/** Per-token numbers of a pass: one array per episode over its response, NaN where nothing was asked for. */
export interface TokenScores {
  logp: Float64Array[];
  entropy: Float64Array[];
  /** Of a value head, at the rows that predict the tokens. */
  value?: Float64Array[];
  /** Log-probs of other tokens in the place of each, (response, width) row-major, where some were named. */
  alternatives?: Float64Array[];
}

/** Gradients with respect to what a pass said, one array per episode of the tree over its response. */
export interface TokenGradients {
  dlogp: Float64Array;
  dentropy?: Float64Array;
  dvalue?: Float64Array;
  dalternatives?: Float64Array;
}

/** What a training pass went through. */
export interface PassCounts {
  uniqueTokens: number;
  logicalTokens: number;
}

/**
 * Log-probs and entropies under `decoder` of the tokens that `wanted` marks, without gradient.
 *
 * @param alternatives per episode (response, width) ids of other tokens whose log-probs are wanted in the place of each; -1 = none
 */
export async function scoreEpisodes(
  decoder: Decoder,
  episodes: readonly Episode[],
  wanted: readonly Uint8Array[],
  options: PassOptions,
  alternatives?: readonly Int32Array[],
): Promise<TokenScores> {
  const scores: TokenScores = { logp: [], entropy: [], ...(alternatives && { alternatives: [] }) };
  for (const indices of cutTrees(episodes, options)) {
    const tree = pack(episodes, wanted, indices, options);
    const g = new Graph({ grad: false });
    try {
      const said = await runTree(g, decoder, tree, options, pairsOfOthers(tree, indices, alternatives));
      for (const [k, e] of indices.entries()) {
        scores.logp[e] = said.logp[k]!;
        scores.entropy[e] = said.entropy[k]!;
        if (scores.alternatives !== undefined) scores.alternatives[e] = said.alternatives![k]!;
      }
    } finally {
      g.dispose();
    }
  }
  return scores;
}

/**
 * Forward, `gradients`, backward, tree by tree: adds to the gradients of the parameters of the decoder and its value head.
 *
 * @param gradients given the indices of a run of whole trees and what the policy says of their tokens
 */
export async function accumulateGradients(
  decoder: Decoder,
  episodes: readonly Episode[],
  wanted: readonly Uint8Array[],
  options: PassOptions & {
    entropy: boolean;
    valueHead?: ScalarHead | undefined;
    /** As in {@link scoreEpisodes}. */
    alternatives?: readonly Int32Array[] | undefined;
    /** What the same weights computed when they sampled the episodes. */
    kept?: KeptProducts | null | undefined;
  },
  gradients: (indices: readonly number[], said: TokenScores) => TokenGradients[],
): Promise<PassCounts> {
  const counts: PassCounts = { uniqueTokens: 0, logicalTokens: 0 };
  const cuts = cutTrees(episodes, options);
  const last = cuts.findLast((indices) => indices.some((e) => wanted[e]!.includes(1)));
  for (const indices of cuts) {
    const tree = pack(episodes, wanted, indices, options);
    counts.logicalTokens += tree.logicalTokens;
    if (tree.pairIds.length === 0) continue;
    counts.uniqueTokens += tree.tokens.length;
    const g = new Graph({ grad: true, last: indices === last });
    try {
      const others = pairsOfOthers(tree, indices, options.alternatives);
      const products = cuts.length === 1 && options.checkpoint === false ? options.kept?.given(tree) : undefined;
      const said = await runTree(g, decoder, tree, { ...options, products }, others);
      const rows = gradients(indices, said);
      seed(g, said.logpTensor, scatterPairs(tree, rows, others), decoder);
      if (options.entropy) seed(g, said.entropyTensor, scatterRows(tree, rows, "dentropy"), decoder);
      if (said.valueTensor !== undefined) seed(g, said.valueTensor, scatterRows(tree, rows, "dvalue"), decoder);
      await g.backward();
    } finally {
      g.dispose();
    }
  }
  return counts;
}

async function runTree(
  g: Graph,
  decoder: Decoder,
  tree: PackedTree,
  options: PassOptions & { valueHead?: ScalarHead | undefined; products?: Products | undefined },
  others: OtherPairs | null,
) {
  const hidden = await decoder.forward(g, {
    tokens: tree.tokens,
    plan: tree.plan,
    blocks: tree.blocks,
    outputRows: tree.outputRows,
    checkpoint: checkpointingFor(decoder.config, tree.tokens.length, options),
    products: options.products,
  });
  const out = linearLogprob(g, hidden, decoder.head, {
    rows: others === null ? tree.pairRows : joined(tree.pairRows, others.rows),
    ids: others === null ? tree.pairIds : joined(tree.pairIds, others.ids),
    temperature: options.temperature,
    vocabSize: options.vocabSize,
  });
  const valueTensor = options.valueHead?.forward(g, hidden);
  g.done(hidden);
  const logp = out.logp.toArray();
  const ofRows = (values: Float64Array) =>
    tree.episodePairs.map((pairs) => gather(pairs, (pair) => values[tree.pairRows[pair]!]!));
  return {
    logpTensor: out.logp,
    entropyTensor: out.entropy,
    valueTensor,
    logp: tree.episodePairs.map((pairs) => gather(pairs, (pair) => logp[pair]!)),
    entropy: ofRows(out.entropy.toArray()),
    ...(valueTensor !== undefined && { value: ofRows(valueTensor.toArray()) }),
    ...(others !== null && { alternatives: others.episodePairs.map((pairs) => gather(pairs, (pair) => logp[pair]!)) }),
  };
}

/** Pairs of alternatives, numbered after those of the tree. */
interface OtherPairs {
  rows: Int32Array;
  ids: Int32Array;
  /** For each episode, for each of its alternatives: its pair, or -1. */
  episodePairs: Int32Array[];
}

function pairsOfOthers(
  tree: PackedTree,
  indices: readonly number[],
  alternatives: readonly Int32Array[] | undefined,
): OtherPairs | null {
  if (alternatives === undefined) return null;
  const rows: number[] = [];
  const ids: number[] = [];
  const episodePairs = indices.map((e, k) => {
    const own = tree.episodePairs[k]!;
    const width = own.length === 0 ? 0 : alternatives[e]!.length / own.length;
    return alternatives[e]!.map((id, i) => {
      const pair = own[Math.floor(i / width)]!;
      if (id < 0 || pair < 0) return -1;
      rows.push(tree.pairRows[pair]!);
      return tree.pairIds.length + ids.push(id) - 1;
    });
  });
  return { rows: Int32Array.from(rows), ids: Int32Array.from(ids), episodePairs };
}

function joined(a: Int32Array, b: Int32Array): Int32Array {
  const both = new Int32Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

function gather(pairs: Int32Array, value: (pair: number) => number): Float64Array {
  return Float64Array.from(pairs, (pair) => (pair < 0 ? Number.NaN : value(pair)));
}

function seed(g: Graph, tensor: Tensor, values: Float64Array, decoder: Decoder): void {
  g.seed(tensor, Tensor.from(values, tensor.shape, accumulatorType(decoder.dtype)));
}

/** d loss / d log-prob of each pair: a token that several episodes share adds their gradients in episode order. */
function scatterPairs(tree: PackedTree, rows: readonly TokenGradients[], others: OtherPairs | null): Float64Array {
  const out = new Float64Array(tree.pairIds.length + (others?.ids.length ?? 0));
  for (const [e, pairs] of others?.episodePairs.entries() ?? []) {
    const { dalternatives } = rows[e]!;
    if (dalternatives === undefined) continue;
    for (let i = 0; i < pairs.length; i++) if (pairs[i]! >= 0) out[pairs[i]!] = dalternatives[i]!;
  }
  for (const [e, pairs] of tree.episodePairs.entries()) {
    const { dlogp } = rows[e]!;
    for (let t = 0; t < pairs.length; t++) if (pairs[t]! >= 0) out[pairs[t]!]! += dlogp[t]!;
  }
  return out;
}

/** Gradient of what a row says by itself, its entropy or value: tokens that the row predicts add theirs in episode order. */
function scatterRows(tree: PackedTree, rows: readonly TokenGradients[], field: "dentropy" | "dvalue"): Float64Array {
  const out = new Float64Array(tree.outputRows.length);
  for (const [e, pairs] of tree.episodePairs.entries()) {
    const gradient = rows[e]![field];
    if (gradient === undefined) continue;
    for (let t = 0; t < pairs.length; t++) if (pairs[t]! >= 0) out[tree.pairRows[pairs[t]!]!]! += gradient[t]!;
  }
  return out;
}

/** Cuts episodes into runs of whole trees within the token budget. Episodes of a tree are neighbours. */
export function cutTrees(episodes: readonly Episode[], options: PassOptions): number[][] {
  const cuts: number[][] = [];
  let tokens = Number.POSITIVE_INFINITY;
  for (const tree of wholeTrees(episodes, options.sharedPrefix)) {
    const size = treeTokens(tree.map((e) => episodes[e]!));
    if (tokens + size > options.maxTokens) {
      cuts.push([]);
      tokens = 0;
    }
    cuts.at(-1)!.push(...tree);
    tokens += size;
  }
  return cuts;
}

function wholeTrees(episodes: readonly Episode[], sharedPrefix: boolean): number[][] {
  if (!sharedPrefix) return episodes.map((_, e) => [e]);
  const trees = new Map<Segment, number[]>();
  for (const [e, { leaf }] of episodes.entries()) {
    const root = pathSegments(leaf)[0]!.segment;
    const tree = trees.get(root);
    if (tree === undefined) trees.set(root, [e]);
    else tree.push(e);
  }
  return [...trees.values()];
}

function treeTokens(episodes: readonly Episode[]): number {
  const seen = new Set<Segment>();
  for (const { leaf } of episodes) for (const { segment } of pathSegments(leaf)) seen.add(segment);
  let tokens = 0;
  for (const { tokens: own } of seen) tokens += own.length;
  return tokens;
}

/** The episodes `indices` as one packed tree. */
export function pack(
  episodes: readonly Episode[],
  wanted: readonly Uint8Array[],
  indices: readonly number[],
  options: PassOptions,
): PackedTree {
  const chosen = indices.map((e) => (options.sharedPrefix ? episodes[e]! : alone(episodes[e]!)));
  return packEpisodes(
    chosen,
    indices.map((e) => wanted[e]!),
  );
}

/** The same path in segments of its own, so that nothing is shared. */
function alone(episode: Episode): Episode {
  let parent: Segment | null = null;
  let at = 0;
  for (const { segment, length } of pathSegments(episode.leaf)) {
    const own: Segment = { ...segment, parent, at, tokens: segment.tokens.subarray(0, length) };
    parent = own;
    at = length;
  }
  return { ...episode, leaf: parent! };
}
