import { poolHidden } from "../algorithms/pooling.js";
import { mean } from "../algorithms/statistics.js";
import { Graph } from "../engine/graph.js";
import { linearLogprob } from "../engine/ops/linear-logprob.js";
import type { Decoder } from "../model/decoder.js";
import { type Episode, responseLength } from "../tree/episode.js";
import { Origin, type Segment } from "../tree/segment.js";
import { cutTrees, type PassOptions, pack } from "./policy.js";

/** What a frozen model makes of a response. */
export interface ResponseFeatures {
  /** Mean of its last hidden states (C). */
  hidden: Float64Array;
  /** Mean log-prob of its tokens; NaN where it has none. */
  logprob: number;
}

/** Mean hidden states and log-probs of each response under `decoder`, without gradient. */
export async function responseFeatures(
  decoder: Decoder,
  episodes: readonly Episode[],
  options: PassOptions,
): Promise<ResponseFeatures[]> {
  // A row's hidden state is that of the pair it predicts: one more token makes the last row of a response predict something.
  const longer = episodes.map(withOneMore);
  const wanted = longer.map((episode) => new Uint8Array(responseLength(episode)).fill(1));
  const width = decoder.config.hiddenSize;
  const { temperature, vocabSize } = options;
  const features = new Array<ResponseFeatures>(episodes.length);
  for (const indices of cutTrees(longer, options)) {
    const { tokens, plan, blocks, outputRows, pairRows, pairIds, episodePairs } = pack(
      longer,
      wanted,
      indices,
      options,
    );
    const g = new Graph({ grad: false });
    try {
      const output = await decoder.forward(g, { tokens, plan, blocks, outputRows });
      const hidden = output.toArray();
      const said = linearLogprob(g, output, decoder.head, { rows: pairRows, ids: pairIds, temperature, vocabSize });
      const logp = said.logp.toArray();
      for (const [k, e] of indices.entries()) {
        const rows = Array.from(episodePairs[k]!.subarray(1), (pair) => pairRows[pair]!);
        const states = new Float64Array(rows.length * width);
        rows.forEach((row, t) => {
          states.set(hidden.subarray(row * width, (row + 1) * width), t * width);
        });
        const own = Float64Array.from(episodePairs[k]!.subarray(0, -1), (pair) => logp[pair]!);
        features[e] = {
          hidden:
            rows.length === 0
              ? new Float64Array(width)
              : poolHidden(states, new Uint8Array(rows.length).fill(1), "mean"),
          logprob: mean(own),
        };
      }
    } finally {
      g.dispose();
    }
  }
  return features;
}

/** The episode with one token after its response. */
function withOneMore(episode: Episode): Episode {
  const { leaf } = episode;
  const one: Segment = {
    id: -1,
    parent: leaf,
    at: leaf.tokens.length,
    tokens: Int32Array.of(0),
    origin: Uint8Array.of(Origin.environment),
    policy: leaf.policy,
  };
  return { ...episode, leaf: one };
}
