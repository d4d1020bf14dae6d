import assert from "node:assert/strict";
import { after, test } from "node:test";
import { engineInfo, memoryStats, resetMemoryPeak, setThreads } from "../../src/engine/engine-info.js";
import { Graph } from "../../src/engine/graph.js";
import { newKvStore } from "../../src/engine/kv-store.js";
import { gatherRows } from "../../src/engine/ops/gather-rows.js";
import { linear } from "../../src/engine/ops/linear.js";
import { treeAttention } from "../../src/engine/ops/tree-attention.js";
import { type LayerHalves, streamed } from "../../src/engine/stream.js";
import { type FloatType, Tensor } from "../../src/engine/tensor.js";
import type { Checkpointing, Decoder } from "../../src/model/decoder.js";
import { accumulateGradients } from "../../src/pipeline/policy.js";
import { responseLength } from "../../src/tree/episode.js";
import { episode, richForest, segment } from "../forests.js";
import { randomNumbers } from "../random-rows.js";
import { families, tinyDecoder } from "../tiny-decoder.js";
import { noise, planOf } from "./attention-trees.js";
import { parameter } from "./check.js";

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

test("keeping the input of every n-th layer changes no bit of the gradients", async () => {
  const decoder = tinyDecoder("bf16", { ...families["qwen2, tied"], num_hidden_layers: 5 });
  const want = await outcome(decoder, false);
  const before = memoryStats().liveTensors;
  for (const group of [1, 2, 3, 5, 9]) assert.deepEqual(await outcome(decoder, { chunk: 90, group }), want, `${group}`);
  assert.equal(memoryStats().liveTensors, before);
  decoder.dispose();
});

test("a long pass peaks at a third of the plain one's memory when streamed, and at half of that of layer inputs", async () => {
  const decoder = tinyDecoder("f32", {
    ...families["qwen2, tied"],
    hidden_size: 32,
    intermediate_size: 128,
    num_hidden_layers: 6,
    max_position_embeddings: 2048,
  });
  const ids = randomNumbers(5);
  const tokens = Int32Array.from({ length: 2048 }, () => Math.floor(93 * ids()));
  const long = episode(segment(null, tokens), { promptLength: 1, loss: new Uint8Array(2047).fill(1) });
  const peak = async (checkpoint: Checkpointing) => {
    for (const parameter of decoder.parameters()) parameter.gradTensor();
    const before = memoryStats().liveBytes;
    resetMemoryPeak();
    const pass = { temperature: 1, vocabSize: 93, maxTokens: 4096, sharedPrefix: true, checkpoint, entropy: false };
    await accumulateGradients(decoder, [long], [long.loss], pass, () => [{ dlogp: new Float64Array(2047).fill(1) }]);
    return memoryStats().peakBytes - before;
  };
  const [plain, layers] = [await peak(false), await peak(true)];
  const [wide, narrow, grouped] = [
    await peak({ chunk: 512 }),
    await peak({ chunk: 64 }),
    await peak({ chunk: 64, group: 2 }),
  ];
  assert.ok(narrow < plain / 3, `${narrow} of ${plain}`);
  assert.ok(narrow < layers / 2, `${narrow} of ${layers}`);
  assert.ok(narrow < wide && grouped < narrow, `${grouped}, ${narrow}, ${wide}`);
  decoder.dispose();
});

/** Attention of 2 heads of 16 on one key head between two projections, over a branched tree of width 32. */
const { plan, blockCount: blocks } = planOf([
  { parent: -1, at: 0, length: 70 },
  { parent: 0, at: 70, length: 9 },
  { parent: 0, at: 33, length: 40 },
  { parent: 2, at: 17, length: 5 },
]);
const attention = { plan, heads: 2, kvHeads: 1, headDim: 16, scale: 0.25 };
const project = parameter(noise(64 * 32, 2), "f32", "panels", [64, 32]);
const output = parameter(noise(32 * 32, 3), "f32", "panels", [32, 32]);
const layer: LayerHalves = {
  project: (g, x) => linear(g, x, project),
  finish: (g, x, attended, rows) =>
    linear(g, attended, output, { residual: rows === undefined ? x : gatherRows(g, x, rows) }),
};

/** Output and gradients of the layer, whose input also reaches the loss directly. */
async function layerOutcome(chunk: number | null, queryRows?: Int32Array): Promise<unknown[]> {
  const g = new Graph({ grad: true });
  const x = g.own(Tensor.from(noise(plan.rows * 32, 4), [plan.rows, 32]));
  const options = { ...attention, ...(queryRows && { queryRows }) };
  const plain = () =>
    layer.finish(
      g,
      x,
      treeAttention(g, layer.project(g, x, plan.position), { ...options, kv: newKvStore(g, blocks, 1, 16, "f32") }),
      queryRows,
    );
  const y = chunk === null ? plain() : await streamed(g, x, layer, { ...options, blocks, chunk });
  const said = y.read();
  g.seed(x, Tensor.from(noise(x.size, 5), x.shape));
  g.seed(y, Tensor.from(noise(y.size, 6), y.shape));
  await g.backward();
  const dx = g.takeGradient(x)!;
  const gradients = [dx.read(), project.grad!.read(), output.grad!.read()];
  for (const owner of [dx, g]) owner.dispose();
  for (const p of [project, output]) p.clearGrad();
  return [said, ...gradients];
}

test("a streamed layer continues the gradient that its input has from elsewhere", async () => {
  const want = await layerOutcome(null);
  for (const chunk of [7, 64, 500]) assert.deepEqual(await layerOutcome(chunk), want, `chunks of ${chunk}`);
});

test("a streamed layer passes over chunks in which no row is queried", async () => {
  const rows = Int32Array.of(2, 5, 6, 64, 65, 66, 69, 70, 72, 80, 123);
  const want = await layerOutcome(null, rows);
  for (const chunk of [1, 7, 64]) assert.deepEqual(await layerOutcome(chunk, rows), want, `chunks of ${chunk}`);
  const none = new Int32Array(0);
  assert.deepEqual(await layerOutcome(7, none), await layerOutcome(null, none));
});

test("a layer whose rows see keys after them is not cut", async () => {
  const g = new Graph({ grad: false });
  const x = g.own(Tensor.from(noise(plan.rows * 32, 4), [plan.rows, 32]));
  const seesAll = { ...plan, lastKeys: plan.position };
  await assert.rejects(streamed(g, x, layer, { ...attention, plan: seesAll, blocks, chunk: 8 }), {
    message: "cutRows: rows that see keys after them cannot be cut",
  });
  g.dispose();
});
