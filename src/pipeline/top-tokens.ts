import { Graph } from "../engine/graph.js";
import { gatherRows } from "../engine/ops/gather-rows.js";
import { linearLogprob } from "../engine/ops/linear-logprob.js";
import type { Tensor } from "../engine/tensor.js";
import type { Decoder } from "../model/decoder.js";
import { type Episode, responseLength } from "../tree/episode.js";
import { checkpointingFor } from "./checkpointing.js";
import { cutTrees, type PassOptions, pack } from "./policy.js";

/** Most log-probs held at a time: rows x vocabulary. */
const LOGPROBS = 2 ** 21;

/**
 * The `k` likeliest tokens under `decoder` in the place of each response token that `wanted` marks, without gradient; ties go to the
 * lowest id.
 *
 * @returns (response, k) ids per episode, row-major, likeliest first; -1 where nothing was asked for, or beyond the vocabulary
 */
export async function topTokens(
  decoder: Decoder,
  episodes: readonly Episode[],
  wanted: readonly Uint8Array[],
  options: PassOptions,
  k: number,
): Promise<Int32Array[]> {
  const chosen = episodes.map((episode) => new Int32Array(responseLength(episode) * k).fill(-1));
  for (const indices of cutTrees(episodes, options)) {
    const { tokens, plan, blocks, outputRows, pairRows, episodePairs } = pack(episodes, wanted, indices, options);
    if (outputRows.length === 0) continue;
    const g = new Graph({ grad: false });
    try {
      const checkpoint = checkpointingFor(decoder.config, tokens.length, options);
      const hidden = await decoder.forward(g, { tokens, plan, blocks, outputRows, checkpoint });
      const top = topOfRows(g, hidden, decoder, options, k);
      indices.forEach((e, n) => {
        episodePairs[n]!.forEach((pair, t) => {
          if (pair >= 0) chosen[e]!.set(top[pairRows[pair]!]!, t * k);
        });
      });
    } finally {
      g.dispose();
    }
  }
  return chosen;
}

/** Per row of `hidden` (R, C) its likeliest ids, from the log-probs of the whole vocabulary, some rows at a time. */
function topOfRows(g: Graph, hidden: Tensor, decoder: Decoder, options: PassOptions, k: number): Int32Array[] {
  const { temperature, vocabSize } = options;
  const rows = hidden.shape[0]!;
  const step = Math.max(1, Math.floor(LOGPROBS / vocabSize));
  const all: Int32Array[] = [];
  for (let from = 0; from < rows; from += step) {
    const count = Math.min(step, rows - from);
    const part = gatherRows(
      g,
      hidden,
      Int32Array.from({ length: count }, (_, r) => from + r),
    );
    const { logp } = linearLogprob(g, part, decoder.head, {
      rows: Int32Array.from({ length: count * vocabSize }, (_, p) => Math.floor(p / vocabSize)),
      ids: Int32Array.from({ length: count * vocabSize }, (_, p) => p % vocabSize),
      temperature,
      vocabSize,
    });
    const values = logp.toArray();
    for (let r = 0; r < count; r++) all.push(largest(values.subarray(r * vocabSize, (r + 1) * vocabSize), k));
    g.done(part);
    g.done(logp);
  }
  return all;
}

/** Indices of the `k` largest values, largest first; equal values in order of index. */
export function largest(values: Float64Array, k: number): Int32Array {
  const best: number[] = [];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (best.length === k && value <= values[best[k - 1]!]!) continue;
    let at = best.length;
    while (at > 0 && values[best[at - 1]!]! < value) at--;
    best.splice(at, 0, i);
    if (best.length > k) best.pop();
  }
  return Int32Array.from(best);
}
