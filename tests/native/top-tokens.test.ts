import assert from "node:assert/strict";
import { test } from "node:test";
import { categoricalKl } from "../../src/algorithms/kl-expectation.js";
import { makeObjective } from "../../src/algorithms/objective/registry.js";
import { emptyTally } from "../../src/algorithms/tally.js";
import { objectiveSchema } from "../../src/config/schema/objective.js";
import { foldRowGrad } from "../../src/engine/grad-norm.js";
import { unpackGradient } from "../../src/engine/ops/panels.js";
import type { Decoder } from "../../src/model/decoder.js";
import { accumulateGradients, scoreEpisodes, type TokenGradients } from "../../src/pipeline/policy.js";
import { largest, topTokens } from "../../src/pipeline/top-tokens.js";
import { type Episode, responseLength } from "../../src/tree/episode.js";
import { pathTokens } from "../../src/tree/segment.js";
import { richForest } from "../forests.js";
import { row } from "../golden/adapter.js";
import { randomNumbers } from "../random-rows.js";
import { families, tinyDecoder } from "../tiny-decoder.js";

const vocabulary = 93;
const pass = { temperature: 0.7, vocabSize: vocabulary, maxTokens: 4096, sharedPrefix: true, checkpoint: false };
const family = families["llama, untied"];
const everything = (episodes: readonly Episode[]) => episodes.map((e) => new Uint8Array(responseLength(e)).fill(1));
const tokensOf = ({ leaf, promptLength }: Episode) => pathTokens(leaf).slice(promptLength);

test("the largest values come first, equal ones in order of index", () => {
  assert.deepEqual([...largest(Float64Array.of(1, 3, 2, 3, 0), 3)], [1, 3, 2]);
  assert.deepEqual([...largest(Float64Array.of(2, 2), 3)], [0, 1]);
});

test("alternatives are scored as the tokens themselves are, and the likeliest of all are found", async () => {
  for (const dtype of ["f32", "bf16"] as const) {
    const decoder = tinyDecoder(dtype, family);
    const { all } = richForest(vocabulary);
    const wanted = everything(all);
    const plain = await scoreEpisodes(decoder, all, wanted, pass);
    const same = await scoreEpisodes(decoder, all, wanted, pass, all.map(tokensOf));
    assert.deepEqual(same.logp, plain.logp);
    assert.deepEqual(same.alternatives, plain.logp);

    const whole = all.map((e) => Int32Array.from({ length: responseLength(e) * vocabulary }, (_, i) => i % vocabulary));
    const { alternatives } = await scoreEpisodes(decoder, all, wanted, pass, whole);
    const top = await topTokens(decoder, all, wanted, { ...pass, maxTokens: 60 }, 5);
    all.forEach((_, e) => {
      wanted[e]!.forEach((__, t) => {
        const values = alternatives![e]!.subarray(t * vocabulary, (t + 1) * vocabulary);
        assert.ok(Math.abs(values.reduce((sum, value) => sum + Math.exp(value), 0) - 1) < 1e-4);
        assert.deepEqual(top[e]!.subarray(t * 5, (t + 1) * 5), largest(values, 5));
      });
    });
    decoder.dispose();
  }
});

/** Gradients of the parameters by name. */
async function gradientsOf(
  decoder: Decoder,
  episodes: readonly Episode[],
  seeds: readonly TokenGradients[],
  alternatives?: Int32Array[],
) {
  const options = { ...pass, entropy: false, alternatives };
  await accumulateGradients(decoder, episodes, everything(episodes), options, (indices) =>
    indices.map((e) => seeds[e]!),
  );
  return decoder.parameters().flatMap((parameter) => {
    foldRowGrad(parameter);
    const parts = parameter.parts.map((part) => {
      const rows = unpackGradient(parameter, part.start, part.rows);
      const values = rows.toArray();
      rows.dispose();
      return values;
    });
    parameter.clearGrad();
    return parts;
  });
}

test("a gradient through an alternative that is the token itself is the token's own, bit for bit", async () => {
  const decoder = tinyDecoder("f32", family);
  const { all } = richForest(vocabulary);
  const random = randomNumbers(3);
  const seeds = all.map((e) => Float64Array.from({ length: responseLength(e) }, () => 2 * random() - 1));
  const none = seeds.map(({ length }) => new Float64Array(length));
  // Whole paths: a shared token adds its episodes' gradients in one pair, and the pairs of alternatives one by one.
  const alone = all.slice(0, 1);
  const own = await gradientsOf(decoder, alone, [{ dlogp: seeds[0]! }]);
  const through = await gradientsOf(
    decoder,
    alone,
    [{ dlogp: none[0]!, dalternatives: seeds[0]! }],
    alone.map(tokensOf),
  );
  assert.deepEqual(through, own);
  const both = await gradientsOf(
    decoder,
    all,
    seeds.map((dlogp) => ({ dlogp })),
  );
  const others = await gradientsOf(
    decoder,
    all,
    seeds.map((dalternatives, e) => ({ dlogp: none[e]!, dalternatives })),
    all.map(tokensOf),
  );
  both.forEach((values, p) => {
    const scale = Math.max(...values.map(Math.abs), 1e-6);
    values.forEach((value, i) => {
      assert.ok(Math.abs(value - others[p]![i]!) <= 1e-5 * scale);
    });
  });
  decoder.dispose();
});

const logSoftmax = (logits: Float64Array) => {
  const norm = Math.log(logits.reduce((sum, x) => sum + Math.exp(x), 0));
  return logits.map((x) => x - norm);
};

test("over the whole vocabulary top_k is the reverse KL, and its gradient is that of differences", () => {
  const random = randomNumbers(8);
  const width = 6;
  const length = 3;
  const draw = () => Float64Array.from({ length: width }, () => 2 * random() - 1);
  const [policy, teacher] = [Array.from({ length }, draw), Array.from({ length }, draw)];
  const flat = (rows: Float64Array[]) => Float64Array.from(rows.flatMap((logits) => [...logSoftmax(logits)]));
  const config = objectiveSchema.parse({
    aggregation: "token_mean",
    terms: [{ kind: "distill", coefficient: 0.5, estimator: "top_k", top_tokens: { k: width } }],
  });
  const objective = makeObjective(config, { maxCompletionTokens: 1 });
  assert.deepEqual(objective.needs.alternatives, { k: width, of: "policy" });
  const ids = Int32Array.from({ length: length * width }, (_, i) => i % width);
  const rows = [
    row({
      length,
      teacher: new Float64Array(length),
      advantage: new Float64Array(length),
      old: new Float64Array(length),
      alternatives: { width, ids, teacher: flat(teacher) },
    }),
  ];
  const evaluate = (alternatives: Float64Array) => {
    const tally = emptyTally();
    const current = [{ logp: new Float64Array(length), alternatives }];
    const [gradient] = objective.rows([0], current, objective.prepare(rows, null), tally);
    return { loss: tally.loss, gradient: gradient!.dalternatives! };
  };
  const at = flat(policy);
  const { loss, gradient } = evaluate(at);
  const exact = policy.map((logits, t) => categoricalKl(logits, teacher[t]!));
  assert.ok(Math.abs(loss - (0.5 * exact.reduce((sum, { value }) => sum + value, 0)) / length) < 1e-12);
  exact.forEach((kl, t) => {
    // Through the log-softmax: d logit_j = d_j - p_j sum_a d_a.
    const own = gradient.subarray(t * width, (t + 1) * width);
    const sum = own.reduce((total, x) => total + x, 0);
    kl.gradient.forEach((want, j) => {
      const p = Math.exp(at[t * width + j]!);
      assert.ok(Math.abs(own[j]! - p * sum - (0.5 * want) / length) < 1e-12);
    });
  });
  at.forEach((value, i) => {
    const moved = (by: number) => evaluate(at.map((x, k) => (k === i ? value + by : x))).loss;
    assert.ok(Math.abs((moved(1e-6) - moved(-1e-6)) / 2e-6 - gradient[i]!) < 1e-8);
  });
});
