import assert from "node:assert/strict";
import { test } from "node:test";
import { mean } from "../../src/algorithms/statistics.js";
import { BLOCK_KEYS } from "../../src/engine/attention-plan.js";
import { Graph } from "../../src/engine/graph.js";
import type { Decoder } from "../../src/model/decoder.js";
import { type PassOptions, scoreEpisodes } from "../../src/pipeline/policy.js";
import { responseFeatures } from "../../src/pipeline/response-features.js";
import { type Episode, responseLength } from "../../src/tree/episode.js";
import { pathTokens } from "../../src/tree/segment.js";
import { richForest } from "../forests.js";
import { families, tinyDecoder } from "../tiny-decoder.js";

const options: PassOptions = { temperature: 1, vocabSize: 93, maxTokens: 4096, sharedPrefix: true, checkpoint: false };

/** Mean of the last hidden states over the response, with the path run by itself and every state read. */
async function meanAlone(decoder: Decoder, { leaf, promptLength }: Episode): Promise<Float64Array> {
  const tokens = pathTokens(leaf);
  const position = Int32Array.from(tokens, (_, i) => i);
  const blocks = Int32Array.from({ length: Math.ceil(tokens.length / BLOCK_KEYS) }, (_, i) => i);
  const plan = {
    rows: tokens.length,
    position,
    table: new Int32Array(tokens.length),
    tableStart: Int32Array.of(0, blocks.length),
    blocks,
    writeBlock: position.map((p) => Math.floor(p / BLOCK_KEYS)),
    copies: new Int32Array(0),
  };
  const g = new Graph({ grad: false });
  const hidden = (await decoder.forward(g, { tokens, plan, blocks: blocks.length })).toArray();
  g.dispose();
  const width = decoder.config.hiddenSize;
  const count = tokens.length - promptLength;
  return Float64Array.from({ length: width }, (_, c) => {
    let sum = 0;
    for (let t = promptLength; t < tokens.length; t++) sum += hidden[t * width + c]!;
    return count === 0 ? 0 : sum / count;
  });
}

test("the mean hidden state of a response is that of its path by itself, in any cut, sharing prefixes or not", async () => {
  const decoder = tinyDecoder("f32", families["qwen2, tied"]);
  const { all } = richForest(93);
  const features = await responseFeatures(decoder, all, options);
  assert.deepEqual(await responseFeatures(decoder, all, { ...options, sharedPrefix: false }), features);
  assert.deepEqual(await responseFeatures(decoder, all, { ...options, maxTokens: 1 }), features);
  for (const [e, episode] of all.entries())
    assert.deepEqual(features[e]!.hidden, await meanAlone(decoder, episode), `episode ${e}`);
  decoder.dispose();
});

test("the mean log-prob of a response is that of a scoring pass", async () => {
  const decoder = tinyDecoder("f32", families["qwen2, tied"]);
  const { all } = richForest(93);
  const features = await responseFeatures(decoder, all, options);
  const wanted = all.map((episode) => new Uint8Array(responseLength(episode)).fill(1));
  const { logp } = await scoreEpisodes(decoder, all, wanted, options);
  assert.deepEqual(
    features.map(({ logprob }) => logprob),
    logp.map((values) => mean(values)),
  );
  decoder.dispose();
});
