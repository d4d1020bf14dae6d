import assert from "node:assert/strict";
import { test } from "node:test";
import { Graph } from "../../src/engine/graph.js";
import { linearLogprob } from "../../src/engine/ops/linear-logprob.js";
import { unpackGradient, unpackRows } from "../../src/engine/ops/panels.js";
import type { Parameter } from "../../src/engine/parameter.js";
import { type FloatType, Tensor } from "../../src/engine/tensor.js";
import { loadAddon } from "../../src/native/load.js";
import { numbers } from "./check.js";
import { head, logSoftmax, randomHead, taken } from "./logprob-reference.js";

const addon = loadAddon();

interface Case {
  h: Tensor;
  w: Parameter;
  rows: Int32Array;
  ids: Int32Array;
  temperature: number | Float32Array;
  limit: number;
  dlogp?: Float64Array;
  dentropy?: Float64Array;
}

/** Forward, and backward from the given output gradients: values, dh and dw as stored. */
async function run(c: Case, rowRange?: [number, number]) {
  const [begin, end] = rowRange ?? [0, c.h.shape[0]!];
  const cols = c.h.shape[1]!;
  const pairs = [...c.rows.keys()].filter((p) => c.rows[p]! >= begin && c.rows[p]! < end);
  const g = new Graph({ grad: true });
  const h = g.own(Tensor.from(c.h.toArray(begin * cols, (end - begin) * cols), [end - begin, cols], c.h.dtype));
  const { logp, entropy } = linearLogprob(g, h, c.w, {
    rows: Int32Array.from(pairs, (p) => c.rows[p]! - begin),
    ids: Int32Array.from(pairs, (p) => c.ids[p]!),
    temperature: typeof c.temperature === "number" ? c.temperature : c.temperature.slice(begin, end),
    vocabSize: c.limit,
  });
  const out = { pairs, logp: logp.toArray(), entropy: entropy.toArray(), dh: new Float64Array(0) as Float64Array };
  if (c.dlogp)
    g.seed(
      logp,
      Tensor.from(
        Float64Array.from(pairs, (p) => c.dlogp![p]!),
        [pairs.length],
        logp.dtype,
      ),
    );
  if (c.dentropy) g.seed(entropy, Tensor.from(c.dentropy.slice(begin, end), [end - begin], logp.dtype));
  await g.backward();
  const dh = g.takeGradient(h);
  if (dh !== null) out.dh = dh.toArray();
  dh?.dispose();
  g.dispose();
  return out;
}

function makeCase(rows: number, cols: number, vocab: number, limit: number, dtype: FloatType, pairsPerRow = 1): Case {
  const { w } = randomHead(vocab, cols, dtype, 3, 2 / Math.sqrt(cols));
  const count = rows * pairsPerRow;
  return {
    h: Tensor.from(
      numbers(rows * cols, 5).map((x) => 3 * x),
      [rows, cols],
      dtype,
    ),
    w,
    rows: Int32Array.from({ length: count }, (_, p) => Math.floor(p / pairsPerRow)),
    ids: Int32Array.from({ length: count }, (_, p) => (p * 7919 + 13) % limit),
    temperature: 1,
    limit,
    dlogp: numbers(count, 7),
    dentropy: numbers(rows, 11).map((x) => 0.1 * x),
  };
}

function dispose(c: Case): void {
  c.h.dispose();
  c.w.dispose();
}

const sizes: [number, number, number, number][] = [
  [1, 1, 1, 1],
  [1, 8, 31, 31],
  [2, 7, 33, 29],
  [13, 17, 511, 511],
  [5, 16, 513, 512],
  [31, 15, 1100, 1061],
  [97, 33, 700, 700],
];

for (const dtype of ["f64", "f32", "bf16"] as const) {
  test(`linearLogprob agrees with log-softmax in float64 at awkward sizes (${dtype})`, async () => {
    for (const [rows, cols, vocab, limit] of sizes) {
      const c = makeCase(rows, cols, vocab, limit, dtype, 2);
      c.temperature = Float32Array.from({ length: rows }, (_, r) => [1, 0.5, 2][r % 3]!);
      c.ids[c.ids.length - 1] = vocab - 1;
      const weights = taken(unpackRows(c.w));
      const want = logSoftmax(c.h.toArray(), weights, { rows, cols, vocab, limit }, (r) => [1, 0.5, 2][r % 3]!);
      const got = await run(c);
      // Error of one chain is below 1e-7 of sum |h w|, at most 6 sqrt(cols); then / 0.5; float64 errs at 1e-14.
      const bound = (dtype === "f64" ? 1e-13 : 1e-6) * (2 + 6 * Math.sqrt(cols));
      for (let p = 0; p < c.ids.length; p++) {
        const expected = want.logp[c.rows[p]! * vocab + c.ids[p]!]!;
        if (expected === Number.NEGATIVE_INFINITY) assert.equal(got.logp[p], expected);
        else
          assert.ok(
            Math.abs(got.logp[p]! - expected) <= bound,
            `${dtype} ${rows}x${cols}x${vocab}: ${got.logp[p]} for ${expected}`,
          );
      }
      for (let r = 0; r < rows; r++) assert.ok(Math.abs(got.entropy[r]! - want.entropy[r]!) <= bound);
      dispose(c);
    }
  });
}

test("linearLogprob's backward agrees with central differences in float64", async () => {
  const [rows, cols, vocab, limit] = [5, 6, 530, 519];
  const c = makeCase(rows, cols, vocab, limit, "f64", 3);
  c.temperature = 0.7;
  c.ids[4] = vocab - 1;
  c.dlogp![4] = 100; // a masked id carries no gradient
  const base = c.h.toArray();
  const weights = taken(unpackRows(c.w));
  const { dh } = await run(c);
  const dw = taken(unpackGradient(c.w));
  const loss = () => {
    const { logp, entropy } = logSoftmax(base, weights, { rows, cols, vocab, limit }, () => 0.7);
    let sum = 0;
    for (let p = 0; p < c.ids.length; p++) if (p !== 4) sum += c.dlogp![p]! * logp[c.rows[p]! * vocab + c.ids[p]!]!;
    for (let r = 0; r < rows; r++) sum += c.dentropy![r]! * entropy[r]!;
    return sum;
  };
  const check = (array: Float64Array, i: number, got: number) => {
    const kept = array[i]!;
    array[i] = kept + 1e-5;
    const up = loss();
    array[i] = kept - 1e-5;
    const down = loss();
    array[i] = kept;
    const want = (up - down) / 2e-5;
    assert.ok(Math.abs(got - want) <= 1e-8 * Math.max(1, Math.abs(want)), `${got} for ${want}`);
  };
  for (let i = 0; i < base.length; i++) check(base, i, dh[i]!);
  for (let i = 0; i < weights.length; i += 37) check(weights, i, dw[i]!);
  for (let v = limit; v < vocab; v++) assert.equal(dw[v * cols], 0);
  dispose(c);
});

test("linearLogprob's float32 and bf16 gradients agree with float64", async () => {
  for (const dtype of ["f32", "bf16"] as const) {
    for (const [rows, cols, vocab, limit] of [...sizes, [70, 333, 700, 690], [300, 330, 600, 590]] as const) {
      const c = makeCase(rows, cols, vocab, limit, dtype, 2);
      const exact: Case = {
        ...c,
        h: Tensor.from(c.h.toArray(), c.h.shape, "f64"),
        w: head(taken(unpackRows(c.w)), vocab, cols, "f64").w,
      };
      const got = await run(c);
      const want = await run(exact);
      // bf16 rounds dl (2^-9 relative, of terms up to 2 in sum) and dh; float32 rounds in the chains.
      const bound = dtype === "bf16" ? 2 ** -6 : 3e-5;
      for (let i = 0; i < want.dh.length; i++) {
        assert.ok(
          Math.abs(got.dh[i]! - want.dh[i]!) <= bound * Math.max(1, Math.abs(want.dh[i]!)),
          `dh ${got.dh[i]} for ${want.dh[i]}`,
        );
      }
      const dw = taken(unpackGradient(c.w));
      const exactDw = taken(unpackGradient(exact.w));
      for (let i = 0; i < dw.length; i++) {
        assert.ok(
          Math.abs(dw[i]! - exactDw[i]!) <= 3 * bound * Math.max(1, Math.abs(exactDw[i]!)),
          `dw ${dw[i]} for ${exactDw[i]}`,
        );
      }
      dispose(c);
      dispose(exact);
    }
  }
});

test("linearLogprob gives a row the same bits for any number of threads and any cut of the rows", async () => {
  const threads = addon.engineInfo().threads;
  for (const [dtype, rows, cols] of [
    ["f32", 131, 64],
    ["f32", 291, 345],
    ["bf16", 131, 64],
  ] as const) {
    const [vocab, limit] = [1500, 1499];
    const c = makeCase(rows, cols, vocab, limit, dtype, 2);
    const whole = await run(c);
    const dw = c.w.grad!.toArray();
    for (const n of [1, 2, 3]) {
      addon.setThreads(n);
      for (const cuts of [
        [0, rows],
        [0, 1, rows],
        [0, 33, 34, 100, rows],
      ]) {
        c.w.clearGrad();
        for (let i = 0; i + 1 < cuts.length; i++) {
          const begin = cuts[i]!;
          const part = await run(c, [begin, cuts[i + 1]!]);
          for (const [j, p] of part.pairs.entries()) assert.equal(part.logp[j], whole.logp[p]);
          for (const [j, e] of part.entropy.entries()) assert.equal(e, whole.entropy[begin + j]);
          for (const [j, d] of part.dh.entries()) assert.equal(d, whole.dh[begin * cols + j]);
        }
        assert.deepEqual(c.w.grad!.toArray(), dw);
      }
    }
    addon.setThreads(threads);
    dispose(c);
  }
});

test("linearLogprob adds to a gradient that is there, rounded once", async () => {
  const c = makeCase(4, 8, 40, 40, "bf16");
  const g = new Graph({ grad: true });
  const before = Tensor.from(numbers(32, 23), [4, 8], "bf16");
  const start = before.toArray();
  g.seed(c.h, before);
  const { logp } = linearLogprob(g, c.h, c.w, { rows: c.rows, ids: c.ids, temperature: 1, vocabSize: 40 });
  g.seed(logp, Tensor.from(c.dlogp!, [4], "f32"));
  await g.backward();
  const sum = g.takeGradient(c.h)!;
  const alone = await run({ ...c, dentropy: undefined });
  // bf16 keeps 8 bits: one rounding of the sum and the one of the gradient alone.
  for (const [i, v] of sum.toArray().entries()) {
    assert.ok(Math.abs(v - start[i]! - alone.dh[i]!) <= 2 ** -8 * (Math.abs(v) + Math.abs(alone.dh[i]!)));
  }
  sum.dispose();
  g.dispose();
  dispose(c);
});

test("linearLogprob takes no rows and no pairs", async () => {
  const c = makeCase(0, 8, 40, 40, "f32");
  assert.equal((await run(c)).logp.length, 0);
  const d = makeCase(3, 8, 40, 40, "f32");
  d.rows = new Int32Array(0);
  d.ids = new Int32Array(0);
  d.dlogp = new Float64Array(0);
  const got = await run(d);
  assert.equal(got.entropy.length, 3);
  assert.ok(got.dh.every(Number.isFinite));
  dispose(c);
  dispose(d);
});

test("a NaN logit reaches every log-prob and the entropy of its row, and no other row", async () => {
  const c = makeCase(3, 4, 600, 600, "f32");
  c.h.write(Float32Array.of(Number.NaN), 4);
  c.dlogp = undefined;
  c.dentropy = undefined;
  const { logp, entropy } = await run(c);
  assert.deepEqual([...logp].map(Number.isNaN), [false, true, false]);
  assert.deepEqual([...entropy].map(Number.isNaN), [false, true, false]);
  dispose(c);
});

test("linearLogprob names the argument that does not fit", () => {
  const c = makeCase(2, 4, 40, 40, "f32");
  const g = new Graph({ grad: false });
  const call = (change: object) => () =>
    linearLogprob(g, c.h, c.w, { rows: c.rows, ids: c.ids, temperature: 1, vocabSize: 40, ...change });
  const fails = (change: object, message: string) =>
    assert.throws(call(change), { name: "RangeError", code: "GRPO_SHAPE", message: `linearLogprob: ${message}` });
  fails({ temperature: 0 }, "temperature must be positive");
  fails({ temperature: Float32Array.of(1) }, "temperature has 1 elements, expected 2");
  fails({ vocabSize: 41 }, "vocabSize is 41, expected 1 to 40");
  fails({ rows: Int32Array.of(0, 2) }, "pair 1 names row 2 of 2");
  fails({ ids: Int32Array.of(-1, 2) }, "pair 0 names id -1 of 40");
  fails({ ids: Int32Array.of(1) }, "ids has 1 elements, expected 2");
  g.dispose();
  dispose(c);
});

test("the memory of linearLogprob is bounded by a tile of the vocabulary, not by its size", async () => {
  const [rows, cols] = [64, 16];
  /** Bytes that forward and backward take beyond h, the weight and its gradient. */
  const extra = async (vocab: number) => {
    const c = makeCase(rows, cols, vocab, vocab, "f32");
    c.w.gradTensor();
    addon.setThreads(2);
    addon.resetPeak();
    const before = addon.memoryStats().liveBytes;
    await run(c);
    const { peakBytes, scratchBytes } = addon.memoryStats();
    dispose(c);
    return peakBytes - before + scratchBytes;
  };
  // Per row and tile three floats; of one tile the logits, their gradient twice over and a copy for each thread; and h.
  const tiles = Math.ceil(151936 / 512);
  const bound = 12 * rows * tiles + 5 * 4 * rows * 544 + 2 * 4 * 512 * 32 + 8 * 4 * rows * (cols + 32);
  const large = await extra(151936);
  assert.ok(large < bound, `${large} bytes, expected fewer than ${bound}`);
  assert.ok(large - (await extra(1024)) <= 12 * rows * tiles);
});
