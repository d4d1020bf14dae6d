import { poolHidden } from "../algorithms/pooling.js";
import { Graph } from "../engine/graph.js";
import type { Decoder } from "../model/decoder.js";
import { type Episode, responseLength } from "../tree/episode.js";
import { Origin, type Segment } from "../tree/segment.js";
import { cutTrees, type PassOptions, pack } from "./policy.js";

/** Mean over each response of the last hidden states under `decoder` (C), without gradient. */
export async function hiddenMeans(
  decoder: Decoder,
  episodes: readonly Episode[],
  options: PassOptions,
): Promise<Float64Array[]> {
  // A row's hidden state is that of the pair it predicts: one more token makes the last row of a response predict something.
  const longer = episodes.map(withOneMore);
  const wanted = longer.map((episode) => new Uint8Array(responseLength(episode)).fill(1, 1));
  const width = decoder.config.hiddenSize;
  const means = new Array<Float64Array>(episodes.length);
  for (const indices of cutTrees(longer, options)) {
    const { tokens, plan, blocks, outputRows, pairRows, episodePairs } = pack(longer, wanted, indices, options);
    const g = new Graph({ grad: false });
    try {
      const output = await decoder.forward(g, { tokens, plan, blocks, outputRows });
      const hidden = output.toArray();
      for (const [k, e] of indices.entries()) {
        const rows = Array.from(episodePairs[k]!.subarray(1), (pair) => pairRows[pair]!);
        const states = new Float64Array(rows.length * width);
        rows.forEach((row, t) => {
          states.set(hidden.subarray(row * width, (row + 1) * width), t * width);
        });
        means[e] =
          rows.length === 0 ? new Float64Array(width) : poolHidden(states, new Uint8Array(rows.length).fill(1), "mean");
      }
    } finally {
      g.dispose();
    }
  }
  return means;
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
