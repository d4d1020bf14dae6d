import assert from "node:assert/strict";
import { after, test } from "node:test";
import { AdamW } from "../../src/engine/adamw.js";
import { engineInfo, memoryStats, setThreads } from "../../src/engine/engine-info.js";
import type { FloatType } from "../../src/engine/tensor.js";
import type { Decoder } from "../../src/model/decoder.js";
import { accumulateGradients, type PassOptions } from "../../src/pipeline/policy.js";
import { SamplingEngine } from "../../src/rollout/sampling-engine.js";
import { completionEpisode } from "../../src/rollout/strategy.js";
import { Purpose } from "../../src/rollout/stream-key.js";
import { type Episode, gatherSampled } from "../../src/tree/episode.js";
import { richForest, segment } from "../forests.js";
import { characterTokenizer, families, tinyDecoder, wideAlphabet } from "../tiny-decoder.js";

const pass: PassOptions = {
  temperature: 1,
  vocabSize: 93,
  maxTokens: 4096,
  sharedPrefix: true,
  checkpoint: false,
};

/** Trees of odd sizes, so that micro-batches are cut at odd rows. */
const trees = [1, 2].flatMap((seed) => richForest(93, seed).all);

const adamw = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1 };

/** Optimizer steps on a loss whose gradient depends on what the policy says; the norm of each. */
async function train(
  decoder: Decoder,
  episodes: readonly Episode[],
  steps: number,
  options: Partial<PassOptions & { learningRate: number }> = {},
): Promise<number[]> {
  const optimizer = new AdamW(decoder.parameters(), adamw);
  const norms: number[] = [];
  for (let step = 0; step < steps; step++) {
    const wanted = episodes.map(({ loss }) => loss);
    await accumulateGradients(decoder, episodes, wanted, { ...pass, ...options, entropy: true }, (indices, said) =>
      indices.map((e, k) => ({
        dlogp: said.logp[k]!.map((x, t) => (wanted[e]![t] === 1 ? Math.exp(x) * ((e % 3) - 0.9) : 0)),
        dentropy: Float64Array.from(wanted[e]!, (x) => -0.01 * x),
      })),
    );
    norms.push(optimizer.step({ learningRate: options.learningRate ?? 1e-2, maxGradNorm: 1 }).gradNorm);
    for (const parameter of decoder.parameters()) parameter.clearGrad();
  }
  optimizer.dispose();
  return norms;
}

function bytesOf(decoder: Decoder): Buffer[] {
  return decoder.parameters().map(({ value }) => {
    const raw = value.read();
    return Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
  });
}

const { threads } = engineInfo();
after(() => setThreads(threads));

for (const [name, family] of Object.entries(families)) {
  for (const dtype of ["f32", "bf16"] as const) {
    test(`${name}, ${dtype}: weights after 5 steps are equal in bytes for any micro-batches, threads and checkpointing`, async () => {
      const run = async (options: Partial<PassOptions>, useThreads: number) => {
        setThreads(useThreads);
        const decoder = tinyDecoder(dtype, family);
        const before = bytesOf(decoder);
        const norms = await train(decoder, trees, 5, options);
        const bytes = bytesOf(decoder);
        assert.ok(
          bytes.every((b, i) => !b.equals(before[i]!)),
          "every parameter moved",
        );
        decoder.dispose();
        return { norms, bytes };
      };
      const want = await run({}, 1);
      for (const [options, useThreads] of [
        [{}, 2],
        // Two micro-batches, three, and one per tree.
        [{ maxTokens: 470 }, 2],
        [{ maxTokens: 270 }, 1],
        [{ maxTokens: 1 }, 2],
        [{ checkpoint: true }, 2],
        [{ checkpoint: { chunk: 101 }, maxTokens: 270 }, 2],
      ] as const) {
        assert.deepEqual(await run(options, useThreads), want, JSON.stringify({ ...options, useThreads }));
      }
    });
  }
}

for (const dtype of ["f32", "bf16"] as const) {
  test(`${dtype}: a learning rate of 0 leaves the weights bit-identical`, async () => {
    const decoder = tinyDecoder(dtype, families["qwen2, tied"]);
    const before = bytesOf(decoder);
    const norms = await train(decoder, trees, 3, { learningRate: 0 });
    assert.ok(norms.every((norm) => norm > 0));
    assert.deepEqual(bytesOf(decoder), before);
    decoder.dispose();
  });

  test(`${dtype}: 200 steps of sampling and training leave no tensor behind`, async () => {
    await leaks(dtype);
  });
}

async function leaks(dtype: FloatType): Promise<void> {
  const before = memoryStats();
  const decoder = tinyDecoder(dtype, families["qwen3, untied"]);
  const engine = new SamplingEngine(decoder, characterTokenizer(wideAlphabet), 3);
  const optimizer = new AdamW(decoder.parameters(), adamw);
  const sampling = { temperature: 1, topK: 0, topP: 1, minP: 0, stop: [], maxTokens: 6 };
  let live = -1;
  for (let step = 0; step < 200; step++) {
    const prompt = segment(null, [5, 9, step % 93]);
    const keys = [0, 1].map((sample) => ({ purpose: Purpose.rollout, step, slot: 0, sample, turn: 0 }));
    const drawn = await engine.sample(prompt, keys, sampling);
    const episodes = drawn.map((one, i) => completionEpisode(prompt, one, i, { version: step, sampling }));
    const wanted = episodes.map(({ loss }) => loss);
    const options = { ...pass, entropy: step % 2 === 0, checkpoint: step % 3 === 0 };
    await accumulateGradients(decoder, episodes, wanted, options, (indices, said) =>
      indices.map((e, k) => {
        assert.deepEqual(said.logp[k], gatherSampled(episodes[e]!, "logprob"), `step ${step}: mismatch`);
        return { dlogp: Float64Array.from(wanted[e]!, () => 0.5 - e), dentropy: new Float64Array(wanted[e]!.length) };
      }),
    );
    optimizer.step({ learningRate: 1e-3, maxGradNorm: 1 });
    for (const parameter of decoder.parameters()) parameter.clearGrad();
    if (step === 0) live = memoryStats().liveTensors;
    assert.equal(memoryStats().liveTensors, live, `tensors after step ${step}`);
  }
  optimizer.dispose();
  await engine.dispose();
  decoder.dispose();
  const after = memoryStats();
  assert.equal(after.liveTensors, before.liveTensors);
  assert.equal(after.liveBytes, before.liveBytes);
}
