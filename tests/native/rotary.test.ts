import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Graph } from "../../src/engine/graph.js";
import { rotary } from "../../src/engine/ops/rotary.js";
import { Parameter } from "../../src/engine/parameter.js";
import { accumulatorType, type FloatType, Tensor } from "../../src/engine/tensor.js";
import { loadAddon } from "../../src/native/load.js";
import { noise } from "./attention-trees.js";

interface Shape {
  heads: number;
  kvHeads: number;
  headDim: number;
}

const EPSILON = 1e-6;
const POSITIONS = 40;
const widthOf = (s: Shape) => (s.heads + 2 * s.kvHeads) * s.headDim;

/** Angles of base 100 for positions 0..39: cosines, then sines. */
function angles(headDim: number): Float64Array {
  const table = new Float64Array(POSITIONS * headDim);
  for (let p = 0; p < POSITIONS; p++) {
    for (let i = 0; i < headDim / 2; i++) {
      const angle = p * 100 ** ((-2 * i) / headDim);
      table[p * headDim + i] = Math.cos(angle);
      table[p * headDim + headDim / 2 + i] = Math.sin(angle);
    }
  }
  return table;
}

/** The formula in float64. */
function reference(
  x: Float64Array,
  positions: Int32Array,
  s: Shape,
  norms?: { q: Float64Array; k: Float64Array },
): Float64Array {
  const y = x.slice();
  const table = angles(s.headDim);
  const half = s.headDim / 2;
  for (const [row, position] of positions.entries()) {
    for (let h = 0; h < s.heads + s.kvHeads; h++) {
      const at = row * widthOf(s) + h * s.headDim;
      let head = x.slice(at, at + s.headDim);
      if (norms !== undefined) {
        const weight = h < s.heads ? norms.q : norms.k;
        const rms = Math.sqrt(head.reduce((sum, v) => sum + v * v, 0) / s.headDim + EPSILON);
        head = head.map((v, i) => (v / rms) * weight[i]!);
      }
      for (let i = 0; i < half; i++) {
        const cos = table[position * s.headDim + i]!;
        const sin = table[position * s.headDim + half + i]!;
        y[at + i] = head[i]! * cos - head[i + half]! * sin;
        y[at + i + half] = head[i + half]! * cos + head[i]! * sin;
      }
    }
  }
  return y;
}

interface Result {
  out: Float64Array;
  dx: Float64Array;
  dq: Float64Array | undefined;
  dk: Float64Array | undefined;
}

/** Forward and backward; `cuts` runs the rows in several calls that share the norms' gradients. */
async function run(
  x: Float64Array,
  positions: Int32Array,
  s: Shape,
  dtype: FloatType,
  dy: Float64Array,
  norms?: { q: Float64Array; k: Float64Array },
  cuts: readonly number[] = [],
): Promise<Result> {
  const vector = (name: string, values: Float64Array) => {
    const p = new Parameter(name, "vector", [s.headDim], dtype, []);
    p.value.write(values);
    return p;
  };
  const qNorm = norms && vector("q_norm", norms.q);
  const kNorm = norms && vector("k_norm", norms.k);
  const table = Tensor.from(angles(s.headDim), [POSITIONS, s.headDim], accumulatorType(dtype));
  const out: number[] = [];
  const gradient: number[] = [];
  const borders = [0, ...cuts, positions.length];
  for (let part = 0; part + 1 < borders.length; part++) {
    const from = borders[part]!;
    const to = borders[part + 1]!;
    const span = [from * widthOf(s), to * widthOf(s)] as const;
    const g = new Graph({ grad: true });
    const input = g.own(Tensor.from(x.slice(...span), [to - from, widthOf(s)], dtype));
    const options = { positions: positions.slice(from, to), table, ...s, epsilon: EPSILON };
    const y = rotary(g, input, { ...options, ...(qNorm && kNorm && { qNorm, kNorm }) });
    out.push(...y.toArray());
    g.seed(y, Tensor.from(dy.slice(...span), y.shape, dtype));
    await g.backward();
    const dx = g.takeGradient(input)!;
    gradient.push(...dx.toArray());
    dx.dispose();
    g.dispose();
  }
  const result = {
    out: Float64Array.from(out),
    dx: Float64Array.from(gradient),
    dq: qNorm?.gradTensor().toArray(),
    dk: kNorm?.gradTensor().toArray(),
  };
  qNorm?.dispose();
  kNorm?.dispose();
  table.dispose();
  return result;
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

function inputs(s: Shape, rows: number, dtype: FloatType) {
  const store = (values: Float64Array) => {
    const t = Tensor.from(values, [values.length], dtype);
    const out = t.toArray();
    t.dispose();
    return out;
  };
  return {
    x: store(noise(rows * widthOf(s))),
    dy: store(noise(rows * widthOf(s), 2)),
    norms: { q: store(noise(s.headDim, 3)), k: store(noise(s.headDim, 4)) },
    positions: Int32Array.from({ length: rows }, (_, i) => (i * 7) % POSITIONS),
  };
}

const shapes: Shape[] = [
  { heads: 2, kvHeads: 1, headDim: 2 },
  // Several heads fill a vector, and some of the last one.
  { heads: 2, kvHeads: 1, headDim: 8 },
  { heads: 4, kvHeads: 2, headDim: 16 },
  { heads: 3, kvHeads: 3, headDim: 12 },
  { heads: 4, kvHeads: 2, headDim: 32 },
  { heads: 5, kvHeads: 1, headDim: 64 },
  { heads: 2, kvHeads: 2, headDim: 128 },
  { heads: 2, kvHeads: 1, headDim: 82 },
];
const tolerance = { f64: 1e-13, f32: 2e-6, bf16: 1e-2 };
const threadsAtStart = loadAddon().engineInfo().threads;
after(() => loadAddon().setThreads(threadsAtStart));

for (const dtype of ["f64", "f32", "bf16"] as const) {
  for (const s of shapes) {
    test(`rotary in ${dtype} with heads of ${s.headDim} agrees with the formula, with and without norms`, async () => {
      const { x, dy, norms, positions } = inputs(s, 23, dtype);
      for (const weights of [undefined, norms]) {
        const { out } = await run(x, positions, s, dtype, dy, weights);
        assertClose(out, reference(x, positions, s, weights), tolerance[dtype], "output");
      }
    });
  }
}

test("rotary gradients in f64 agree with central differences", async () => {
  const s = { heads: 2, kvHeads: 1, headDim: 6 };
  const { x, dy, norms, positions } = inputs(s, 5, "f64");
  const h = 1e-5;
  for (const weights of [undefined, norms]) {
    const got = await run(x, positions, s, "f64", dy, weights);
    const loss = () => reference(x, positions, s, weights).reduce((sum, v, i) => sum + v * dy[i]!, 0);
    const check = (array: Float64Array, gradient: Float64Array, what: string) => {
      for (let i = 0; i < array.length; i++) {
        const kept = array[i]!;
        array[i] = kept + h;
        const up = loss();
        array[i] = kept - h;
        const down = loss();
        array[i] = kept;
        assertClose([gradient[i]!], [(up - down) / (2 * h)], 1e-7, `${what} ${i}`);
      }
    };
    check(x, got.dx, "dx");
    if (weights !== undefined) {
      check(weights.q, got.dq!, "dq_norm");
      check(weights.k, got.dk!, "dk_norm");
    }
  }
});

for (const dtype of ["f32", "bf16"] as const) {
  for (const s of shapes) {
    test(`rotary gradients in ${dtype} with heads of ${s.headDim} agree with f64`, async () => {
      const { x, dy, norms, positions } = inputs(s, 23, dtype);
      for (const weights of [undefined, norms]) {
        const want = await run(x, positions, s, "f64", dy, weights);
        const got = await run(x, positions, s, dtype, dy, weights);
        assertClose(got.dx, want.dx, dtype === "f32" ? 5e-6 : 2e-2, "dx");
        if (weights === undefined) continue;
        assertClose(got.dq!, want.dq!, 2e-5, "dq_norm");
        assertClose(got.dk!, want.dk!, 2e-5, "dk_norm");
      }
    });

    test(`rotary in ${dtype} with heads of ${s.headDim} has the same bits for every cut of the rows and thread count`, async () => {
      const { x, dy, norms, positions } = inputs(s, 67, dtype);
      for (const weights of [undefined, norms]) {
        const want = await run(x, positions, s, dtype, dy, weights);
        for (const threads of [1, 2, 3]) {
          loadAddon().setThreads(threads);
          assert.deepEqual(await run(x, positions, s, dtype, dy, weights), want);
          assert.deepEqual(await run(x, positions, s, dtype, dy, weights, [1, 30, 31]), want);
        }
      }
    });
  }
}

test("rotary accepts no rows and refuses a position outside the table", async () => {
  const s = { heads: 2, kvHeads: 1, headDim: 8 };
  const none = new Float64Array(0);
  assert.equal((await run(none, new Int32Array(0), s, "f32", none)).out.length, 0);
  const { x, dy } = inputs(s, 1, "f32");
  await assert.rejects(run(x, Int32Array.of(POSITIONS), s, "f32", dy), {
    code: "GRPO_SHAPE",
    message: "rotary: row 0 has position 40, the table holds 40",
  });
});
