import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { foldRowGrad } from "../../src/engine/grad-norm.js";
import { packRows, unpackGradient } from "../../src/engine/ops/panels.js";
import type { Parameter } from "../../src/engine/parameter.js";
import type { FloatType } from "../../src/engine/tensor.js";
import type { Decoder } from "../../src/model/decoder.js";
import { loadValueHead, ScalarHead, saveValueHead } from "../../src/model/scalar-head.js";
import { accumulateHeadGradients, headScores } from "../../src/pipeline/head-pass.js";
import { accumulateGradients } from "../../src/pipeline/policy.js";
import { type Episode, responseLength } from "../../src/tree/episode.js";
import { integers, richForest } from "../forests.js";
import { randomNumbers } from "../random-rows.js";
import { families, tinyDecoder } from "../tiny-decoder.js";

const pass = { temperature: 0.8, vocabSize: 93, maxTokens: 4096, sharedPrefix: true, checkpoint: false };
const everything = (episodes: readonly Episode[]) => episodes.map((e) => new Uint8Array(responseLength(e)).fill(1));

function randomHead(decoder: Decoder, outputs: number, dtype: FloatType): ScalarHead {
  const head = new ScalarHead(outputs, decoder.config.hiddenSize, dtype, { bias: true });
  const random = randomNumbers(31);
  for (const parameter of head.parameters()) {
    packRows(
      parameter,
      0,
      Float32Array.from({ length: parameter.count }, () => random() - 0.5),
    );
  }
  return head;
}

const seeds = (lengths: readonly number[], seed: number) => {
  const random = randomNumbers(seed);
  return lengths.map((length) => Float64Array.from({ length }, () => 2 * random() - 1));
};
const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);

/** Gradients by name, row-major; they are cleared. */
function taken(parameters: readonly Parameter[]): Map<string, Float64Array> {
  return new Map(
    parameters.map((parameter) => {
      foldRowGrad(parameter);
      const rows = unpackGradient(parameter);
      const values = rows.toArray();
      rows.dispose();
      parameter.clearGrad();
      return [parameter.name, values];
    }),
  );
}

/** Index of an element in a parameter's storage. */
function elementAt({ layout, shape }: Parameter, row: number, column: number): number {
  const columns = shape[1] ?? 1;
  if (layout !== "panels") return row * columns + column;
  return (Math.floor(row / 32) * columns + column) * 32 + (row % 32);
}

async function assertDifferences(
  parameters: readonly Parameter[],
  gradients: Map<string, Float64Array>,
  loss: () => Promise<number>,
): Promise<void> {
  const draw = integers(5);
  for (const parameter of parameters) {
    const columns = parameter.shape[1] ?? 1;
    const [row, column] = [draw(parameter.shape[0]!), draw(columns)];
    const at = elementAt(parameter, row, column);
    const value = parameter.value.toArray(at, 1)[0]!;
    const h = 1e-5;
    const moved = async (to: number) => {
      parameter.value.write([to], at);
      return loss();
    };
    const want = ((await moved(value + h)) - (await moved(value - h))) / (2 * h);
    parameter.value.write([value], at);
    const got = gradients.get(parameter.name)![row * columns + column]!;
    const bound = 1e-6 * Math.max(1, Math.abs(want));
    assert.ok(Math.abs(got - want) <= bound, `${parameter.name}[${row}, ${column}]: ${got}, differences ${want}`);
  }
}

test("gradients of log-probs and values together are central differences, in head and trunk", async () => {
  const decoder = tinyDecoder("f64", families["qwen3, untied"]);
  const head = randomHead(decoder, 1, "f64");
  const { inside, turns, forced, ownRoot } = richForest(93);
  const forest = [inside, turns, forced, ownRoot];
  const lengths = forest.map(responseLength);
  const [dlogp, dvalue] = [seeds(lengths, 4), seeds(lengths, 5)];
  const options = { ...pass, entropy: false, valueHead: head };
  const run = async (said: (e: number, logp: Float64Array, value: Float64Array) => void) => {
    await accumulateGradients(decoder, forest, everything(forest), options, (indices, { logp, value }) =>
      indices.map((e, k) => {
        said(e, logp[k]!, value![k]!);
        return { dlogp: dlogp[e]!, dvalue: dvalue[e]! };
      }),
    );
  };
  await run(() => {});
  const parameters = [...decoder.parameters(), ...head.parameters()];
  const gradients = taken(parameters);
  await assertDifferences(parameters, gradients, async () => {
    let loss = 0;
    await run((e, logp, value) => {
      loss += dot(logp, dlogp[e]!) + dot(value, dvalue[e]!);
    });
    for (const parameter of parameters) parameter.clearGrad();
    return loss;
  });
  head.dispose();
  decoder.dispose();
});

test("gradients of a head of several outputs are central differences, in head and trunk", async () => {
  const decoder = tinyDecoder("f64", families["llama with biases, tied"]);
  const head = randomHead(decoder, 3, "f64");
  const { short, inside, ownRoot } = richForest(93);
  const forest = [short, inside, ownRoot];
  const dscores = seeds(
    forest.map((e) => 3 * responseLength(e)),
    6,
  );
  const wanted = everything(forest);
  await accumulateHeadGradients(decoder, head, forest, wanted, pass, (indices) => indices.map((e) => dscores[e]!));
  const parameters = [...decoder.parameters(), ...head.parameters()];
  await assertDifferences(parameters, taken(parameters), async () => {
    const scores = await headScores(decoder, head, forest, wanted, pass);
    return scores.reduce((sum, own, e) => sum + dot(own, dscores[e]!), 0);
  });
  head.dispose();
  decoder.dispose();
});

for (const dtype of ["f32", "bf16"] as const) {
  test(`${dtype}: values and their gradients do not depend on the cut into micro-batches, bit for bit`, async () => {
    const decoder = tinyDecoder(dtype, families["qwen2, tied"]);
    const head = randomHead(decoder, 1, dtype);
    const forest = richForest(93).all;
    const wanted = everything(forest);
    const lengths = forest.map(responseLength);
    const [dlogp, dvalue] = [seeds(lengths, 4), seeds(lengths, 5)];
    const parameters = [...decoder.parameters(), ...head.parameters()];
    const run = async (changed: Partial<typeof pass>) => {
      const values: Float64Array[] = [];
      const options = { ...pass, ...changed, entropy: false, valueHead: head };
      await accumulateGradients(decoder, forest, wanted, options, (indices, said) =>
        indices.map((e, k) => {
          values[e] = said.value![k]!;
          return { dlogp: dlogp[e]!, dvalue: dvalue[e]! };
        }),
      );
      return { values, gradients: taken(parameters) };
    };
    const whole = await run({});
    assert.deepEqual(await run({ maxTokens: 1 }), whole);
    assert.deepEqual(await run({ checkpoint: true }), whole);
    assert.deepEqual(await headScores(decoder, head, forest, wanted, { ...pass, maxTokens: 1 }), whole.values);
    head.dispose();
    decoder.dispose();
  });
}

test("a value head comes back from its file to the bit, and a folder without one has none", async () => {
  const folder = mkdtempSync(join(tmpdir(), "grpo-value-head-"));
  const decoder = tinyDecoder("bf16", families["llama, untied"]);
  assert.equal(await loadValueHead(folder, decoder), null);
  const head = new ScalarHead(1, decoder.config.hiddenSize, "bf16");
  packRows(head.weight, 0, seeds([decoder.config.hiddenSize], 8)[0]!);
  await saveValueHead(head, folder);
  const again = await loadValueHead(folder, decoder);
  assert.deepEqual(again!.weight.value.read(), head.weight.value.read());
  for (const one of [head, again!, decoder]) one.dispose();
  rmSync(folder, { recursive: true });
});
