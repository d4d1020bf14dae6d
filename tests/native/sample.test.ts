import assert from "node:assert/strict";
import { test } from "node:test";
import { Graph } from "../../src/engine/graph.js";
import { linearLogprob } from "../../src/engine/ops/linear-logprob.js";
import { type SampleOptions, sampleTokens } from "../../src/engine/ops/sample.js";
import type { Parameter } from "../../src/engine/parameter.js";
import { Tensor } from "../../src/engine/tensor.js";
import { loadAddon } from "../../src/native/load.js";
import { numbers } from "./check.js";
import { head, logSoftmax, randomHead } from "./logprob-reference.js";

const addon = loadAddon();

const defaults = { temperature: 1, topK: 0, topP: 1, minP: 0, key: [0x12345678, 0x9abcdef0] as const };

/** Counters 0..rows-1 in word 0. */
function countersOf(rows: number): Uint32Array {
  const counters = new Uint32Array(4 * rows);
  for (let r = 0; r < rows; r++) counters[4 * r] = r;
  return counters;
}

function draw(h: Tensor, w: Parameter, options: Partial<SampleOptions> = {}) {
  return sampleTokens(h, w, { ...defaults, vocabSize: w.shape[0]!, counters: countersOf(h.shape[0]!), ...options });
}

/** `rows` rows that all have the logits of `values` (V): one hidden unit of value 1. */
function sameRows(values: ArrayLike<number>, rows: number) {
  const { w } = head(values, values.length, 1, "f32");
  return { h: Tensor.from(new Float32Array(rows).fill(1), [rows, 1]), w };
}

/** The ids that top-k, then top-p on the renormalised rest, then min-p leave, most likely first, lowest id on ties. */
function keptIds(probabilities: Float64Array, topK: number, topP: number, minP: number): number[] {
  let ids = [...probabilities.keys()].sort((a, b) => probabilities[b]! - probabilities[a]! || a - b);
  if (topK > 0) ids = ids.slice(0, topK);
  const mass = ids.reduce((sum, v) => sum + probabilities[v]!, 0);
  let below = 0;
  ids = ids.filter((v) => {
    const keep = below < topP * mass;
    below += probabilities[v]!;
    return keep;
  });
  return ids.filter((v) => probabilities[v]! >= minP * probabilities[ids[0]!]!);
}

/** How many deviations Pearson's statistic of `ids` lies above its mean; `probabilities` is zero where an id must not occur. */
function excess(ids: Int32Array, probabilities: Float64Array): number {
  const counts = new Float64Array(probabilities.length);
  for (const id of ids) counts[id]! += 1;
  let cells = 0;
  let statistic = 0;
  const add = (count: number, expected: number) => {
    cells += 1;
    statistic += (count - expected) ** 2 / expected;
  };
  const rare = { count: 0, expected: 0 };
  for (const [v, p] of probabilities.entries()) {
    const expected = p * ids.length;
    if (p === 0) assert.equal(counts[v], 0, `id ${v} was drawn`);
    else if (expected >= 5) add(counts[v]!, expected);
    else {
      rare.count += counts[v]!;
      rare.expected += expected;
    }
  }
  if (rare.expected > 0) add(rare.count, rare.expected);
  return (statistic - (cells - 1)) / Math.sqrt(2 * Math.max(1, cells - 1));
}

test("Philox gives the known answers of Random123", () => {
  // kat_vectors of Random123 1.09, philox4x32 with 10 rounds.
  const cases: [number[], number[], number[]][] = [
    [
      [0, 0],
      [0, 0, 0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [[0xffffffff, 0xffffffff], Array(4).fill(0xffffffff), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]],
    [
      [0xa4093822, 0x299f31d0],
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ];
  for (const [key, counter, want] of cases) {
    const out = new Uint32Array(4);
    addon.philox(key[0]!, key[1]!, Uint32Array.from(counter), out);
    assert.deepEqual([...out], want);
  }
});

test("drawn frequencies follow the probabilities, with and without a restriction", () => {
  const rows = 20000;
  const logits = numbers(600, 4).map((x, v) => 2 * x + (v % 100 === 7 ? 5 : 0));
  const { h, w } = sameRows(logits, rows);
  const sizes = { rows: 1, cols: 1, vocab: 600, limit: 590 };
  for (const { topK, topP, minP, temperature } of [
    { topK: 0, topP: 1, minP: 0, temperature: 1 },
    { topK: 0, topP: 1, minP: 0, temperature: 0.5 },
    { topK: 20, topP: 1, minP: 0, temperature: 1 },
    { topK: 0, topP: 0.7, minP: 0, temperature: 1 },
    { topK: 0, topP: 1, minP: 0.05, temperature: 0.7 },
    { topK: 50, topP: 0.9, minP: 0.02, temperature: 1.3 },
  ]) {
    const logp = logSoftmax([1], Float32Array.from(logits), sizes, () => temperature).logp;
    const p = logp.map(Math.exp);
    const kept = keptIds(p, topK, topP, minP);
    const mass = kept.reduce((sum, v) => sum + p[v]!, 0);
    const want = new Float64Array(600);
    for (const v of kept) want[v] = p[v]! / mass;
    const { ids } = draw(h, w, { topK, topP, minP, temperature, vocabSize: 590 });
    assert.ok(excess(ids, want) < 4, `${kept.length} ids: ${excess(ids, want)} deviations`);
    assert.ok(kept.length > 300 || new Set(ids).size === kept.length, "every kept id occurs");
  }
  h.dispose();
  w.dispose();
});

test("ties at the border of a restriction and in the argmax go to the lowest id", () => {
  const logits = new Float64Array(1200);
  for (const v of [3, 5, 700, 900]) logits[v] = 4;
  const { h, w } = sameRows(logits, 200);
  assert.deepEqual(
    [...new Set(draw(h, w, { topK: 3 }).ids)].sort((a, b) => a - b),
    [3, 5, 700],
  );
  assert.deepEqual(
    [...new Set(draw(h, w, { topK: 4, topP: 0.5 }).ids)].sort((a, b) => a - b),
    [3, 5],
  );
  assert.deepEqual(
    [...new Set(draw(h, w, { minP: 1 }).ids)].sort((a, b) => a - b),
    [3, 5, 700, 900],
  );
  assert.deepEqual(new Set(draw(h, w, { greedy: true }).ids), new Set([3]));
  assert.deepEqual(new Set(draw(h, w, { topK: 1 }).ids), new Set([3]));
  h.dispose();
  w.dispose();
});

test("ids beyond the tokenizer are never drawn, even where they have the largest logit", () => {
  const logits = Float64Array.from({ length: 100 }, (_, v) => (v >= 90 ? 50 : 0));
  const { h, w } = sameRows(logits, 500);
  for (const options of [{}, { topP: 0.9 }, { greedy: true }, { temperature: 0 }]) {
    assert.ok(draw(h, w, { vocabSize: 90, ...options }).ids.every((id) => id < 90));
  }
  h.dispose();
  w.dispose();
});

for (const dtype of ["f32", "bf16"] as const) {
  test(`log-prob and entropy of a draw are linearLogprob's bit for bit, and the draw is the row's own (${dtype})`, () => {
    const [rows, cols, vocab, vocabSize] = [67, 48, 1400, 1390];
    const threads = addon.engineInfo().threads;
    const { w } = randomHead(vocab, cols, dtype, 8, 0.5);
    const values = numbers(rows * cols, 9);
    const h = Tensor.from(values, [rows, cols], dtype);
    const temperature = Float32Array.from({ length: rows }, (_, r) => [1, 0.7, 0][r % 3]!);
    for (const limits of [{}, { topK: 40 }, { topP: 0.95 }, { topK: 9, topP: 0.8, minP: 0.1 }]) {
      const options = { temperature, vocabSize, ...limits };
      const all = draw(h, w, options);
      const g = new Graph({ grad: false });
      const { logp, entropy } = linearLogprob(g, h, w, {
        rows: Int32Array.from({ length: rows }, (_, r) => r),
        ids: all.ids,
        temperature: temperature.map((t) => (t === 0 ? 1 : t)),
        vocabSize,
      });
      assert.deepEqual(all.logprob, logp.read());
      assert.deepEqual(all.entropy, entropy.read());
      g.dispose();
      for (const n of [1, 3]) {
        addon.setThreads(n);
        for (const [begin, end] of [
          [0, 1],
          [1, 30],
          [66, 67],
        ] as const) {
          const part = Tensor.from(values.slice(begin * cols, end * cols), [end - begin, cols], dtype);
          const counters = countersOf(rows).slice(4 * begin, 4 * end);
          const got = draw(part, w, { ...options, counters, temperature: temperature.slice(begin, end) });
          assert.deepEqual(got.ids, all.ids.slice(begin, end));
          assert.deepEqual(got.logprob, all.logprob.slice(begin, end));
          part.dispose();
        }
      }
      addon.setThreads(threads);
    }
    h.dispose();
    w.dispose();
  });
}

test("a draw depends on key and counter, and on nothing else", () => {
  const { h, w } = sameRows(new Float64Array(4096), 64);
  const first = draw(h, w).ids;
  assert.deepEqual(draw(h, w).ids, first);
  assert.notDeepEqual(draw(h, w, { key: [1, 2] }).ids, first);
  assert.notDeepEqual(draw(h, w, { counters: countersOf(64).map((c) => c + 1) }).ids, first);
  h.dispose();
  w.dispose();
});

test("a row of NaN logits gives a NaN log-prob under every restriction, and leaves the other rows alone", () => {
  const { h, w } = sameRows(numbers(700, 3), 3);
  for (const limits of [{}, { topK: 5 }, { topP: 0.9 }, { minP: 0.1 }]) {
    const want = draw(h, w, limits);
    h.write([Number.NaN], 1);
    const got = draw(h, w, limits);
    assert.deepEqual([...got.logprob].map(Number.isNaN), [false, true, false]);
    assert.deepEqual([got.ids[0], got.ids[2]], [want.ids[0], want.ids[2]]);
    h.write([1], 1);
  }
  h.dispose();
  w.dispose();
});

test("sampleTokens takes no rows, and names a setting that does not fit", () => {
  const { h, w } = sameRows([0, 1], 2);
  const none = Tensor.from([], [0, 1]);
  assert.equal(draw(none, w).ids.length, 0);
  const fails = (options: object, message: string) =>
    assert.throws(() => draw(h, w, options), { code: "GRPO_SHAPE", message: `sampleTokens: ${message}` });
  fails({ topP: 0 }, "topP must be in (0, 1]");
  fails({ minP: 1.5 }, "minP must be in [0, 1]");
  fails({ temperature: -1 }, "temperature must be positive");
  fails({ counters: new Uint32Array(4) }, "counters has 4 elements, expected 8");
  for (const t of [none, h]) t.dispose();
  w.dispose();
});
