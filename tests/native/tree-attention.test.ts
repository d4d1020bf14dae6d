import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Graph } from "../../src/engine/graph.js";
import { createKvStore, disposeKvStore, newKvStore } from "../../src/engine/kv-store.js";
import { treeAttention } from "../../src/engine/ops/tree-attention.js";
import { type FloatType, Tensor } from "../../src/engine/tensor.js";
import { loadAddon } from "../../src/native/load.js";
import { noise, planOf, type TestPlan, type TestSegment } from "./attention-trees.js";

interface Shape {
  heads: number;
  kvHeads: number;
  headDim: number;
}

const tree: TestSegment[] = [
  { parent: -1, at: 0, length: 70 }, // a prefix past one block
  { parent: 0, at: 70, length: 9 },
  { parent: 0, at: 33, length: 40 }, // branches inside its parent, inside a block
  { parent: 2, at: 17, length: 5 }, // second level, inside a block of copied keys
  { parent: 0, at: 64, length: 1 }, // branches at a block border
  { parent: -1, at: 0, length: 3 },
];

/** softmax(scale q k^T) v in float64 over the path of each row. */
function reference(qkv: ArrayLike<number>, { paths }: TestPlan, s: Shape, scale: number): Float64Array {
  const width = (s.heads + 2 * s.kvHeads) * s.headDim;
  const out = new Float64Array(paths.length * s.heads * s.headDim);
  for (const [row, path] of paths.entries()) {
    for (let h = 0; h < s.heads; h++) {
      const kv = Math.floor(h / (s.heads / s.kvHeads));
      const at = (r: number, head: number, d: number) => qkv[r * width + head * s.headDim + d]!;
      const scores = path.map((key) => {
        let dot = 0;
        for (let d = 0; d < s.headDim; d++) dot += at(row, h, d) * at(key, s.heads + kv, d);
        return scale * dot;
      });
      const max = Math.max(...scores);
      const p = scores.map((v) => Math.exp(v - max));
      const sum = p.reduce((a, b) => a + b, 0);
      for (const [j, key] of path.entries()) {
        for (let d = 0; d < s.headDim; d++) {
          out[(row * s.heads + h) * s.headDim + d]! += (p[j]! / sum) * at(key, s.heads + s.kvHeads + kv, d);
        }
      }
    }
  }
  return out;
}

interface Result {
  out: Float64Array;
  bits: Uint8Array;
  gradient: Float64Array;
}

/** Forward, and backward from `dout` when given, on fresh tensors. */
async function run(
  { plan, blockCount }: TestPlan,
  qkv: ArrayLike<number>,
  s: Shape,
  dtype: FloatType,
  dout?: ArrayLike<number>,
  queryRows?: Int32Array,
): Promise<Result> {
  const g = new Graph({ grad: dout !== undefined });
  const x = Tensor.from(qkv, [plan.rows, (s.heads + 2 * s.kvHeads) * s.headDim], dtype);
  const kv = newKvStore(g, blockCount, s.kvHeads, s.headDim, dtype);
  for (const pool of [kv.k, kv.v]) pool.write(new Float64Array(pool.size).fill(Number.NaN));
  const y = treeAttention(g, x, { plan, kv, ...s, scale: s.headDim ** -0.5, ...(queryRows && { queryRows }) });
  const out = y.toArray();
  const bits = new Uint8Array(y.read().slice().buffer);
  let gradient: Float64Array = new Float64Array(0);
  if (dout !== undefined) {
    g.seed(y, Tensor.from(dout, y.shape, dtype));
    await g.backward();
    const dx = g.takeGradient(x)!;
    gradient = dx.toArray();
    dx.dispose();
  }
  g.dispose();
  x.dispose();
  return { out, bits, gradient };
}

function assertClose(got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number, what: string): void {
  assert.equal(got.length, want.length);
  for (let i = 0; i < want.length; i++) {
    assert.ok(
      Math.abs(got[i]! - want[i]!) <= tolerance * Math.max(1, Math.abs(want[i]!)),
      `${what}: element ${i} is ${got[i]}, expected ${want[i]}`,
    );
  }
}

const shapes: Shape[] = [
  { heads: 2, kvHeads: 1, headDim: 8 },
  { heads: 3, kvHeads: 3, headDim: 12 },
  { heads: 4, kvHeads: 2, headDim: 16 },
  { heads: 14, kvHeads: 2, headDim: 64 },
  { heads: 5, kvHeads: 1, headDim: 128 },
  { heads: 1, kvHeads: 1, headDim: 2 },
  { heads: 2, kvHeads: 1, headDim: 34 },
];
const tolerance = { f64: 1e-12, f32: 2e-6, bf16: 2e-2 };
const types = ["f64", "f32", "bf16"] as const;
const widthOf = (s: Shape) => (s.heads + 2 * s.kvHeads) * s.headDim;
const rounded = (values: ArrayLike<number>, dtype: FloatType) => {
  const t = Tensor.from(values, [values.length], dtype);
  const out = t.toArray();
  t.dispose();
  return out;
};
const threadsAtStart = loadAddon().engineInfo().threads;
after(() => loadAddon().setThreads(threadsAtStart));

for (const dtype of types) {
  for (const s of shapes) {
    const name = `${s.heads} heads on ${s.kvHeads} of ${s.headDim}`;
    test(`treeAttention in ${dtype} with ${name} agrees with float64 attention over each path`, async () => {
      const made = planOf(tree, 2);
      const qkv = rounded(noise(made.plan.rows * widthOf(s)), dtype);
      const { out } = await run(made, qkv, s, dtype);
      assertClose(out, reference(qkv, made, s, s.headDim ** -0.5), tolerance[dtype], name);
    });
  }
}

test("treeAttention gradients in f64 agree with central differences on a tree", async () => {
  const s = { heads: 4, kvHeads: 2, headDim: 6 };
  const made = planOf(tree, 1);
  const qkv = noise(made.plan.rows * widthOf(s));
  const dout = noise(made.plan.rows * s.heads * s.headDim, 2);
  const loss = (x: Float64Array) =>
    reference(x, made, s, s.headDim ** -0.5).reduce((sum, v, i) => sum + v * dout[i]!, 0);
  const { gradient } = await run(made, qkv, s, "f64", dout);
  const h = 1e-5;
  for (let i = 0; i < qkv.length; i += 23) {
    const x = qkv.slice();
    x[i] = qkv[i]! + h;
    const up = loss(x);
    x[i] = qkv[i]! - h;
    assertClose([gradient[i]!], [(up - loss(x)) / (2 * h)], 1e-7, `element ${i}`);
  }
});

for (const dtype of ["f32", "bf16"] as const) {
  for (const s of shapes) {
    test(`treeAttention gradients in ${dtype} with ${s.heads} heads on ${s.kvHeads} of ${s.headDim} agree with f64`, async () => {
      const made = planOf(tree, 1);
      const qkv = rounded(noise(made.plan.rows * widthOf(s)), dtype);
      const dout = rounded(noise(made.plan.rows * s.heads * s.headDim, 2), dtype);
      const want = (await run(made, qkv, s, "f64", dout)).gradient;
      const got = (await run(made, qkv, s, dtype, dout)).gradient;
      const scale = want.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
      assertClose(
        got.map((v) => v / scale),
        want.map((v) => v / scale),
        dtype === "f32" ? 3e-6 : 2e-2,
        dtype,
      );
    });
  }
}

/** Rows of `all` at `rows`, `width` numbers each. */
/** Texts side by side whose rows see all keys of their own text, before and after them. */
function twoSided(lengths: readonly number[]): TestPlan {
  const { plan, paths, blockCount } = planOf(lengths.map((length) => ({ parent: -1, at: 0, length })));
  const whole = lengths.flatMap((length, t) =>
    Array(length).fill(paths[lengths.slice(0, t + 1).reduce((a, b) => a + b, 0) - 1]),
  );
  return {
    plan: { ...plan, lastKeys: Int32Array.from(whole, (path: number[]) => path.length - 1) },
    paths: whole,
    blockCount,
  };
}

test("with lastKeys rows see keys after them, forward and backward", async () => {
  const s = { heads: 4, kvHeads: 2, headDim: 16 };
  const made = twoSided([5, 64, 1, 90]);
  const dout = noise(made.plan.rows * s.heads * s.headDim, 2);
  const qkv = noise(made.plan.rows * widthOf(s));
  const exact = await run(made, qkv, s, "f64", dout);
  assertClose(exact.out, reference(qkv, made, s, 0.25), 1e-12, "f64");
  const loss = (x: Float64Array) => reference(x, made, s, 0.25).reduce((sum, v, i) => sum + v * dout[i]!, 0);
  const h = 1e-5;
  for (let i = 0; i < qkv.length; i += 911) {
    const x = qkv.slice();
    x[i] = qkv[i]! + h;
    const up = loss(x);
    x[i] = qkv[i]! - h;
    assertClose([exact.gradient[i]!], [(up - loss(x)) / (2 * h)], 1e-7, `element ${i}`);
  }
  const single = await run(made, qkv, s, "f32", dout);
  assertClose(single.out, exact.out, 2e-6, "f32");
  assertClose(single.gradient, exact.gradient, 1e-5, "gradient in f32");
});

const pick = (all: ArrayLike<number>, rows: readonly number[], width: number) =>
  Float64Array.from(rows.flatMap((r) => Array.from({ length: width }, (_, i) => all[r * width + i]!)));

test("gradients of a packed tree are the sum of those of one path at a time", async () => {
  const s = { heads: 4, kvHeads: 2, headDim: 16 };
  const made = planOf(tree, 0);
  const qkv = noise(made.plan.rows * widthOf(s));
  const dout = noise(made.plan.rows * s.heads * s.headDim, 2);
  const packed = (await run(made, qkv, s, "f64", dout)).gradient;
  const sum = new Float64Array(qkv.length);
  const seen = new Set<number>();
  for (const segment of tree.keys()) {
    const last = made.plan.table.lastIndexOf(segment);
    const path = made.paths[last]!;
    const alone = planOf([{ parent: -1, at: 0, length: path.length }]);
    const fresh = path.flatMap((r) => Array.from({ length: s.heads * s.headDim }, () => (seen.has(r) ? 0 : 1)));
    for (const r of path) seen.add(r);
    const { gradient } = await run(
      alone,
      pick(qkv, path, widthOf(s)),
      s,
      "f64",
      pick(dout, path, s.heads * s.headDim).map((v, i) => v * fresh[i]!),
    );
    for (const [i, r] of path.entries()) {
      for (let c = 0; c < widthOf(s); c++) sum[r * widthOf(s) + c]! += gradient[i * widthOf(s) + c]!;
    }
  }
  assertClose(packed, sum, 1e-12, "sum over paths");
});

for (const dtype of ["f32", "bf16"] as const) {
  for (const s of [
    { heads: 6, kvHeads: 2, headDim: 64 },
    { heads: 3, kvHeads: 1, headDim: 20 },
  ]) {
    const width = s.heads * s.headDim;
    const label = `${dtype}, ${s.heads} heads of ${s.headDim}`;

    test(`a path alone has the bits it has in a tree (${label})`, async () => {
      const made = planOf(tree, 3);
      const qkv = noise(made.plan.rows * widthOf(s));
      const inTree = await run(made, qkv, s, dtype);
      for (const segment of tree.keys()) {
        const path = made.paths[made.plan.table.lastIndexOf(segment)]!;
        const alone = planOf([{ parent: -1, at: 0, length: path.length }]);
        const got = await run(alone, pick(qkv, path, widthOf(s)), s, dtype);
        assert.deepEqual(got.out, pick(inTree.out, path, width), `segment ${segment}`);
      }
    });

    test(`a path split at any token and branched at any offset has the bits of the whole path (${label})`, async () => {
      const length = 150;
      const whole = planOf([{ parent: -1, at: 0, length }]);
      const qkv = noise(whole.plan.rows * widthOf(s));
      const want = await run(whole, qkv, s, dtype);
      for (let cut = 1; cut < length; cut += 11) {
        const middle = Math.ceil((cut + length) / 2);
        const made = planOf([
          { parent: -1, at: 0, length: cut },
          { parent: 0, at: cut, length: middle - cut },
          { parent: 1, at: middle - cut, length: length - middle },
        ]);
        const got = await run(made, qkv, s, dtype);
        assert.deepEqual(got.bits, want.bits, `cut at ${cut} and ${middle}`);
        const branched = planOf([
          { parent: -1, at: 0, length },
          { parent: 0, at: cut, length: length - cut },
        ]);
        const rows = [...Array(length).keys(), ...Array.from({ length: length - cut }, (_, i) => cut + i)];
        const both = await run(branched, pick(qkv, rows, widthOf(s)), s, dtype);
        assert.deepEqual(both.out, pick(want.out, rows, width), `branch at ${cut}`);
      }
    });

    test(`decoding one by one and in a group gives the bits of the packed tree (${label})`, async () => {
      const prefix = 75;
      const group = 5;
      const steps = 60;
      const made = planOf([
        { parent: -1, at: 0, length: prefix },
        ...Array.from({ length: group }, () => ({ parent: 0, at: prefix, length: steps })),
      ]);
      const qkv = noise(made.plan.rows * widthOf(s));
      const want = await run(made, qkv, s, dtype);
      const g = new Graph({ grad: false });
      for (const together of [false, true]) {
        const kv = createKvStore(made.blockCount, s.kvHeads, s.headDim, dtype);
        for (const pool of [kv.k, kv.v]) pool.write(new Float64Array(pool.size).fill(Number.NaN));
        const part = (rows: number[], copies: Int32Array) => {
          const at = (a: Int32Array) => Int32Array.from(rows, (r) => a[r]!);
          const { position, table, writeBlock } = made.plan;
          const plan = {
            ...made.plan,
            rows: rows.length,
            position: at(position),
            table: at(table),
            writeBlock: at(writeBlock),
            copies,
          };
          const x = g.own(Tensor.from(pick(qkv, rows, widthOf(s)), [rows.length, widthOf(s)], dtype));
          const y = treeAttention(g, x, { plan, kv, ...s, scale: s.headDim ** -0.5 });
          assert.deepEqual(y.toArray(), pick(want.out, rows, width), `rows ${rows}`);
        };
        part([...Array(prefix).keys()], made.plan.copies);
        for (let t = 0; t < steps; t++) {
          const rows = Array.from({ length: group }, (_, i) => prefix + i * steps + t);
          if (together) part(rows, new Int32Array(0));
          else for (const row of rows) part([row], new Int32Array(0));
        }
        disposeKvStore(kv);
      }
      g.dispose();
    });

    test(`output and gradient have the same bits for 1, 2 and 3 threads and for a later call (${label})`, async () => {
      const made = planOf([{ parent: -1, at: 0, length: 300 }, ...tree.slice(1).map((x) => ({ ...x }))], 1);
      const qkv = noise(made.plan.rows * widthOf(s));
      const dout = noise(made.plan.rows * width, 2);
      const results: Result[] = [];
      for (const threads of [1, 2, 3]) {
        loadAddon().setThreads(threads);
        results.push(await run(made, qkv, s, dtype, dout));
      }
      for (const result of results) assert.deepEqual(result, results[0]);
    });
  }
}

test("queryRows computes only what is asked, with the same bits, and unasked rows get no dq", async () => {
  const s = { heads: 4, kvHeads: 2, headDim: 16 };
  const made = planOf(tree, 1);
  const qkv = noise(made.plan.rows * widthOf(s));
  const rows = Int32Array.from([0, 5, 69, 70, 90, 124, made.plan.rows - 1]);
  const width = s.heads * s.headDim;
  for (const dtype of ["f64", "f32", "bf16"] as const) {
    const all = await run(made, qkv, s, dtype);
    const dout = noise(rows.length * width, 2);
    const some = await run(made, qkv, s, dtype, dout, rows);
    assert.deepEqual(some.out, pick(all.out, [...rows], width));
    const spread = new Float64Array(made.plan.rows * width);
    for (const [i, r] of rows.entries()) spread.set(dout.subarray(i * width, (i + 1) * width), r * width);
    const want = await run(made, qkv, s, dtype, spread);
    assertClose(some.gradient, want.gradient, 1e-6, dtype);
  }
});

test("a second use of the same projections adds to their gradient", async () => {
  const s = { heads: 2, kvHeads: 1, headDim: 8 };
  const made = planOf(tree, 1);
  const qkv = noise(made.plan.rows * widthOf(s));
  const dout = noise(made.plan.rows * s.heads * s.headDim, 2);
  for (const dtype of ["f64", "f32"] as const) {
    const once = (await run(made, qkv, s, dtype, dout)).gradient;
    const g = new Graph({ grad: true });
    const x = Tensor.from(qkv, [made.plan.rows, widthOf(s)], dtype);
    for (let use = 0; use < 2; use++) {
      const kv = newKvStore(g, made.blockCount, s.kvHeads, s.headDim, dtype);
      const y = treeAttention(g, x, { plan: made.plan, kv, ...s, scale: s.headDim ** -0.5 });
      g.seed(y, Tensor.from(dout, y.shape, dtype));
    }
    await g.backward();
    const dx = g.takeGradient(x)!;
    assertClose(
      dx.toArray(),
      once.map((v) => 2 * v),
      1e-12,
      dtype,
    );
    dx.dispose();
    g.dispose();
    x.dispose();
  }
});

test("a query that is not a number gives NaN for its own head alone", async () => {
  const s = { heads: 2, kvHeads: 1, headDim: 8 };
  const made = planOf(tree);
  for (const dtype of types) {
    const qkv = noise(made.plan.rows * widthOf(s));
    const want = (await run(made, qkv, s, dtype)).out;
    qkv[75 * widthOf(s) + s.headDim + 3] = Number.NaN;
    const { out } = await run(made, qkv, s, dtype);
    const head = (75 * s.heads + 1) * s.headDim;
    assert.deepEqual(
      out,
      want.map((v, i) => (i >= head && i < head + s.headDim ? Number.NaN : v)),
    );
  }
});

test("no rows give no output, and a plan that does not fit is refused", async () => {
  const s = { heads: 2, kvHeads: 1, headDim: 8 };
  assert.equal((await run(planOf([]), [], s, "f32")).out.length, 0);
  const made = planOf([{ parent: -1, at: 0, length: 65 }]);
  made.plan.blocks[1] = 7;
  await assert.rejects(run(made, noise(65 * widthOf(s)), s, "f32"), {
    code: "GRPO_SHAPE",
    message: "treeAttention: blocks names a block that does not exist",
  });
});
