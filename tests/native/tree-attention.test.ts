import assert from "node:assert/strict";
import { test } from "node:test";
import { Graph } from "../../src/engine/graph.js";
import { newKvStore } from "../../src/engine/kv-store.js";
import { treeAttention } from "../../src/engine/ops/tree-attention.js";
import { type FloatType, Tensor } from "../../src/engine/tensor.js";
import { assertClose, pick, reference, run, type Shape, tree, widthOf } from "./attention-run.js";
import { noise, planOf, type TestPlan } from "./attention-trees.js";

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
const rounded = (values: ArrayLike<number>, dtype: FloatType) => {
  const t = Tensor.from(values, [values.length], dtype);
  const out = t.toArray();
  t.dispose();
  return out;
};

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
