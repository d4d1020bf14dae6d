import assert from "node:assert/strict";
import { test } from "node:test";
import { type AttentionPlan, BLOCK_KEYS } from "../../src/engine/attention-plan.js";
import { Graph } from "../../src/engine/graph.js";
import { createKvStore, disposeKvStore } from "../../src/engine/kv-store.js";
import { linearLogprob } from "../../src/engine/ops/linear-logprob.js";
import type { Decoder } from "../../src/model/decoder.js";
import { type PassOptions, scoreEpisodes } from "../../src/pipeline/policy.js";
import { SamplingEngine, type SamplingOptions } from "../../src/rollout/sampling-engine.js";
import { completionEpisode } from "../../src/rollout/strategy.js";
import { Purpose } from "../../src/rollout/stream-key.js";
import { type Episode, gatherSampled, responseLength } from "../../src/tree/episode.js";
import { pathTokens } from "../../src/tree/segment.js";
import { alone, integers, resplit, richForest, segment } from "../forests.js";
import { characterTokenizer, families, tinyDecoder, wideAlphabet } from "../tiny-decoder.js";

const options: PassOptions = {
  temperature: 0.8,
  vocabSize: 93,
  maxTokens: 4096,
  sharedPrefix: true,
  checkpoint: false,
};

const everything = (episodes: readonly Episode[]) => episodes.map((e) => new Uint8Array(responseLength(e)).fill(1));

async function logprobs(decoder: Decoder, episodes: readonly Episode[], pass: Partial<PassOptions> = {}) {
  return (await scoreEpisodes(decoder, episodes, everything(episodes), { ...options, ...pass })).logp;
}

/** Rows `start`...`end` of one path whose keys lie in blocks 0, 1, 2, ... */
function chunkPlan(start: number, end: number): AttentionPlan {
  const rows = end - start;
  const position = Int32Array.from({ length: rows }, (_, i) => start + i);
  const blocks = Int32Array.from({ length: Math.ceil(end / BLOCK_KEYS) }, (_, i) => i);
  return {
    rows,
    position,
    table: new Int32Array(rows),
    tableStart: Int32Array.of(0, blocks.length),
    blocks,
    writeBlock: position.map((p) => Math.floor(p / BLOCK_KEYS)),
    copies: new Int32Array(0),
  };
}

/** Log-probs of a path's tokens after the prompt, with the path run through key blocks in the given chunks. */
async function chunked(decoder: Decoder, tokens: Int32Array, promptLength: number, chunk: (start: number) => number) {
  const { kvHeads, headDim } = decoder.config;
  const blocks = Math.ceil(tokens.length / BLOCK_KEYS);
  const stores = decoder.layers.map(() => createKvStore(blocks, kvHeads, headDim, decoder.dtype));
  const all: number[] = [];
  for (let start = 0; start < tokens.length - 1; ) {
    const end = Math.min(tokens.length - 1, start + chunk(start));
    const g = new Graph({ grad: false });
    const plan = chunkPlan(start, end);
    const hidden = await decoder.forward(g, { tokens: tokens.slice(start, end), plan, blocks, stores });
    const rows = Int32Array.from({ length: end - start }, (_, i) => i);
    const { logp } = linearLogprob(g, hidden, decoder.head, {
      rows,
      ids: tokens.slice(start + 1, end + 1),
      temperature: options.temperature,
      vocabSize: options.vocabSize,
    });
    all.push(...logp.toArray());
    g.dispose();
    start = end;
  }
  stores.forEach(disposeKvStore);
  return Float64Array.from(all.slice(promptLength - 1));
}

for (const [name, family] of Object.entries(families)) {
  for (const dtype of ["f32", "bf16"] as const) {
    test(`${name}, ${dtype}: a path has the same log-probs alone, in the tree and split anywhere, bit for bit`, async () => {
      const decoder = tinyDecoder(dtype, family);
      const forest = richForest(93).all;
      const inTree = await logprobs(decoder, forest);
      assert.ok(inTree.flatMap((row) => [...row]).every((x) => x < 0 && Number.isFinite(x)));
      assert.deepEqual(await logprobs(decoder, forest, { sharedPrefix: false }), inTree, "shared_prefix off");
      assert.deepEqual(await logprobs(decoder, forest, { maxTokens: 1 }), inTree, "one tree at a time");
      const draw = integers(3);
      for (const [e, episode] of forest.entries()) {
        assert.deepEqual(await logprobs(decoder, [alone(episode)]), [inTree[e]], `episode ${e} alone`);
        const tokens = pathTokens(episode.leaf);
        for (const cuts of [[1], [tokens.length - 1], [draw(64), draw(64), draw(64)], [64], [63, 1, 1, 63]]) {
          const split = resplit(tokens, episode.promptLength, cuts);
          assert.deepEqual(await logprobs(decoder, [split]), [inTree[e]], `episode ${e} split ${cuts}`);
        }
      }
      decoder.dispose();
    });

    test(`${name}, ${dtype}: prefill in any chunks, down to one token, gives the same log-probs bit for bit`, async () => {
      const decoder = tinyDecoder(dtype, family);
      const { long, turns } = richForest(93);
      const draw = integers(5);
      for (const episode of [long, turns]) {
        const [want] = await logprobs(decoder, [episode]);
        const tokens = pathTokens(episode.leaf);
        for (const chunk of [() => 1, () => 64, () => 37, () => 1 + draw(50)]) {
          assert.deepEqual(await chunked(decoder, tokens, episode.promptLength, chunk), want);
        }
      }
      decoder.dispose();
    });

    test(`${name}, ${dtype}: what the sampler stored is what the trainer computes, exactly`, async () => {
      const decoder = tinyDecoder(dtype, family);
      const engine = new SamplingEngine(decoder, characterTokenizer(wideAlphabet), 11);
      const draw = integers(9);
      const sampling: SamplingOptions = {
        temperature: options.temperature,
        topK: 20,
        topP: 0.9,
        minP: 0.01,
        stop: [],
        maxTokens: 70,
      };
      // Prompts around the border of a key block, and one that shares its length with another.
      const groups = await Promise.all(
        [1, 63, 64, 65, 65, 130].map(async (length, slot) => {
          const prompt = segment(
            null,
            Array.from({ length }, () => draw(93)),
          );
          const keys = [0, 1, 2].map((sample) => ({ purpose: Purpose.rollout, step: 1, slot, sample, turn: 0 }));
          const drawn = await engine.sample(prompt, keys, sampling);
          return drawn.map((one, sample) => completionEpisode(prompt, one, sample, { version: 0, sampling }));
        }),
      );
      const episodes = groups.flat();
      assert.ok(episodes.some((e) => responseLength(e) > 64));
      const scores = await scoreEpisodes(decoder, episodes, everything(episodes), options);
      for (const [e, episode] of episodes.entries()) {
        assert.deepEqual(scores.logp[e], gatherSampled(episode, "logprob"));
        assert.deepEqual(scores.entropy[e], gatherSampled(episode, "entropy"));
      }
      await engine.dispose();
      decoder.dispose();
    });
  }
}
