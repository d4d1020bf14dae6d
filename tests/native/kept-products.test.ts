import assert from "node:assert/strict";
import { after, test } from "node:test";
import { engineInfo, memoryStats, setThreads } from "../../src/engine/engine-info.js";
import type { Products } from "../../src/engine/products.js";
import { Tensor } from "../../src/engine/tensor.js";
import type { Decoder } from "../../src/model/decoder.js";
import { KeptProducts } from "../../src/model/kept-products.js";
import { loadAddon } from "../../src/native/load.js";
import { accumulateGradients, type PassOptions } from "../../src/pipeline/policy.js";
import { SamplingEngine } from "../../src/rollout/sampling-engine.js";
import { Purpose } from "../../src/rollout/stream-key.js";
import { type Episode, gatherSampled } from "../../src/tree/episode.js";
import { Origin, pathLength, type Segment } from "../../src/tree/segment.js";
import { episode, integers, segment } from "../forests.js";
import { characterTokenizer, families, tinyDecoder, wideAlphabet } from "../tiny-decoder.js";

const pass: PassOptions = { temperature: 1, vocabSize: 93, maxTokens: 4096, sharedPrefix: true, checkpoint: false };
const sampling = { temperature: 1, topK: 0, topP: 1, minP: 0, stop: [], maxTokens: 70 };
const { threads } = engineInfo();
after(() => setThreads(threads));

/** Counts the products it gives. */
class Counted extends KeptProducts {
  taken = 0;
  override given(tree: Parameters<KeptProducts["given"]>[0]): Products | undefined {
    const products = super.given(tree);
    if (products === undefined) return undefined;
    return (y, multiply) => {
      this.taken += 1;
      products(y, multiply);
    };
  }
}

/**
 * Draws from prompts that share a beginning (one of them twice), and goes on from a completion: rows are kept in another order
 * than a tree has, some twice.
 */
async function drawn(decoder: Decoder, kept: KeptProducts | null): Promise<Episode[]> {
  const engine = new SamplingEngine(decoder, characterTokenizer(wideAlphabet), 3);
  engine.kept = kept;
  const draw = integers(1);
  const ids = (n: number) => Int32Array.from({ length: n }, () => draw(93));
  const root = segment(null, ids(100));
  const prompts = [segment(root, [5, 9]), root, segment(null, [7]), segment(root, ids(30))];
  const keys = (slot: number, turn: number) =>
    [0, 1, 2].map((sample) => ({ purpose: Purpose.rollout, step: 1, slot, sample, turn }));
  const sample = async (prompt: Segment, slot: number, turn: number) =>
    (await engine.sample(prompt, keys(slot, turn), sampling)).map(({ tokens, logprob, entropy }) => {
      const leaf = segment(prompt, tokens, {
        origin: Origin.policy,
        sampled: { logprob, entropy, version: 0, temperature: 1 },
      });
      return episode(leaf, { promptLength: pathLength(prompt) });
    });
  const first = await Promise.all(prompts.map((prompt, slot) => sample(prompt, slot, 0)));
  const second = await sample(segment(first[1]![0]!.leaf, [4, 4, 8], { origin: Origin.prompt }), 9, 1);
  await engine.dispose();
  return [...first.flat(), ...second];
}

async function gradients(decoder: Decoder, episodes: readonly Episode[], kept: KeptProducts | null) {
  const wanted = episodes.map(({ loss }) => loss);
  const logps: Float64Array[] = [];
  await accumulateGradients(decoder, episodes, wanted, { ...pass, entropy: false, kept }, (indices, said) =>
    indices.map((e, k) => {
      logps[e] = said.logp[k]!;
      return { dlogp: said.logp[k]!.map((x, t) => (wanted[e]![t] === 1 ? Math.exp(x) * ((e % 3) - 0.9) : 0)) };
    }),
  );
  const raw = decoder.parameters().map((parameter) => parameter.gradTensor().read().slice());
  for (const parameter of decoder.parameters()) parameter.clearGrad();
  return { logps, raw };
}

for (const [name, family] of Object.entries(families)) {
  for (const dtype of ["f32", "bf16"] as const) {
    test(`${name}, ${dtype}: gradients from kept products are those of a second computation, bit for bit`, async () => {
      const decoder = tinyDecoder(dtype, family);
      for (const [useThreads, expected] of [
        [1, 64],
        [2, 1000],
      ] as const) {
        setThreads(useThreads);
        const kept = new Counted(4096, expected);
        const episodes = await drawn(decoder, kept);
        const taken = await gradients(decoder, episodes, kept);
        kept.dispose();
        assert.equal(kept.taken, 4 * decoder.layers.length, "every product of the pass was given");
        assert.deepEqual(taken, await gradients(decoder, episodes, null));
        for (const [i, each] of episodes.entries()) assert.deepEqual(taken.logps[i], gatherSampled(each, "logprob"));
      }
      decoder.dispose();
    });
  }
}

test("a tree with a row that was not sampled, or not with its last layer, is computed", async () => {
  const decoder = tinyDecoder("f32", families["qwen2, tied"]);
  const kept = new Counted(4096, 500);
  const episodes = await drawn(decoder, kept);
  const strange = completionOf(episodes[0]!, [3, 1]);
  await gradients(decoder, [...episodes, strange], kept);
  // A log-prob within the prompt: its rows went through the last layer's keys only.
  const early = { ...episodes[0]!, promptLength: 3, loss: new Uint8Array(episodes[0]!.loss.length + 99).fill(1) };
  await gradients(decoder, [early], kept);
  assert.equal(kept.taken, 0);
  kept.dispose();
  decoder.dispose();
});

/** The path of an episode's prompt, continued by other tokens. */
function completionOf({ leaf }: Episode, tokens: number[]): Episode {
  return episode(segment(leaf.parent, tokens));
}

test("beyond the bound nothing is kept, and no tensor stays behind", async () => {
  const decoder = tinyDecoder("f32", families["qwen3, untied"]);
  const before = memoryStats().liveTensors;
  const small = new Counted(300, 300);
  const episodes = await drawn(decoder, small);
  assert.equal(memoryStats().liveTensors, before, "dropped as soon as the bound was passed");
  await gradients(decoder, episodes, small);
  assert.equal(small.taken, 0);
  decoder.dispose();
});

test("rows lie in slabs in the order they came and leave in any other", () => {
  const slabs = [0, 1].map((s) =>
    Tensor.from(
      Array.from({ length: 6 }, (_, i) => 10 * s + i),
      [3, 2],
    ),
  );
  const handles = Uint32Array.from(slabs, ({ handle }) => handle);
  const y = new Tensor("f32", [4, 2]);
  const gather = (rows: number[]) => loadAddon().gatherSlabs(2, 3, Int32Array.from(rows), handles, y.handle);
  gather([5, 0, 3, 0]);
  assert.deepEqual([...y.toArray()], [14, 15, 0, 1, 10, 11, 0, 1]);
  assert.throws(() => gather([6, 0, 0, 0]), { code: "GRPO_SHAPE" });
  assert.throws(() => gather([0]), { code: "GRPO_SHAPE" });
  slabs[1]!.dispose();
  assert.throws(() => gather([0, 0, 0, 0]), { code: "GRPO_SHAPE" });
  for (const tensor of [slabs[0]!, y]) tensor.dispose();
});
