import assert from "node:assert/strict";
import { after, test } from "node:test";
import { engineInfo, memoryStats, setThreads } from "../../src/engine/engine-info.js";
import type { FloatType } from "../../src/engine/tensor.js";
import type { Checkpointing, Decoder } from "../../src/model/decoder.js";
import { accumulateGradients } from "../../src/pipeline/policy.js";
import { responseLength } from "../../src/tree/episode.js";
import { richForest } from "../forests.js";
import { randomNumbers } from "../random-rows.js";
import { families, tinyDecoder } from "../tiny-decoder.js";

const { threads } = engineInfo();
after(() => setThreads(threads));

/** Two trees that branch inside blocks and at their borders; prompts have no output rows in the last layer. */
const forest = [1, 2].flatMap((seed) => richForest(93, seed).all);

/** Log-probs and the stored gradient of every parameter, for random d loss / d log-prob. */
async function outcome(decoder: Decoder, checkpoint: Checkpointing): Promise<unknown[]> {
  const random = randomNumbers(3);
  const said: Float64Array[] = [];
  await accumulateGradients(
    decoder,
    forest,
    forest.map((e) => new Uint8Array(responseLength(e)).fill(1)),
    { temperature: 0.9, vocabSize: 93, maxTokens: 4096, sharedPrefix: true, checkpoint, entropy: true },
    (indices, { logp }) => {
      said.push(...logp);
      return indices.map((_, k) => {
        const draw = () => logp[k]!.map(() => 2 * random() - 1);
        return { dlogp: draw(), dentropy: draw() };
      });
    },
  );
  const gradients = decoder.parameters().map((p) => [p.grad?.read(), p.rowGrad?.data.read()]);
  for (const parameter of decoder.parameters()) parameter.clearGrad();
  return [said, gradients];
}

const cases: [string, FloatType, number[]][] = [
  ["llama, untied", "f32", [1, 37, 64, 200, 4096]],
  ["llama, untied", "bf16", [1, 3, 37, 64, 200, 4096]],
  ["llama with biases, tied", "bf16", [29]],
  ["qwen2, tied", "f64", [1, 37, 129, 4096]],
  ["qwen3, untied", "f32", [37, 130]],
  ["qwen3, untied", "bf16", [37, 130]],
];

for (const [name, dtype, chunks] of cases) {
  test(`${name}, ${dtype}: streamed layers have the log-probs and gradients of plain ones, bit for bit, in any chunks`, async () => {
    const decoder = tinyDecoder(dtype, families[name as keyof typeof families]);
    setThreads(1);
    const want = await outcome(decoder, false);
    const before = memoryStats().liveTensors;
    for (const [i, chunk] of chunks.entries()) {
      setThreads(1 + (i % 3));
      assert.deepEqual(await outcome(decoder, { chunk }), want, `chunks of ${chunk}`);
    }
    assert.equal(memoryStats().liveTensors, before);
    decoder.dispose();
  });
}
