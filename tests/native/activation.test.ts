import assert from "node:assert/strict";
import { test } from "node:test";
import type { Graph } from "../../src/engine/graph.js";
import { gelu } from "../../src/engine/ops/gelu.js";
import { swiglu } from "../../src/engine/ops/swiglu.js";
import { type FloatType, Tensor } from "../../src/engine/tensor.js";
import { loadAddon } from "../../src/native/load.js";
import { assertClose, differences, forward, numbers, runOp } from "./check.js";

/** erf by its Maclaurin series, good to 1e-12 for |x| < 3. */
function erf(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; n < 120; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

interface Case {
  op: (g: Graph, x: Tensor) => Tensor;
  /** Columns of the input per column of the output. */
  width: number;
  definition: (x: Float64Array, cols: number) => Float64Array;
}

const cases: Record<string, Case> = {
  swiglu: {
    op: swiglu,
    width: 2,
    definition: (x, cols) =>
      Float64Array.from({ length: x.length / 2 }, (_, i) => {
        const at = Math.floor(i / cols) * 2 * cols + (i % cols);
        return (x[at]! / (1 + Math.exp(-x[at]!))) * x[at + cols]!;
      }),
  },
  "gelu (exact)": {
    op: (g, x) => gelu(g, x),
    width: 1,
    definition: (x) => x.map((v) => 0.5 * v * (1 + erf(v / Math.SQRT2))),
  },
  "gelu (tanh)": {
    op: (g, x) => gelu(g, x, "tanh"),
    width: 1,
    definition: (x) => x.map((v) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)))),
  },
};

for (const [name, { op, width, definition }] of Object.entries(cases)) {
  test(`${name} agrees with the definition`, async () => {
    for (const cols of [1, 7, 15, 16, 17, 33]) {
      const rows = 3;
      for (const [dtype, tolerance] of [
        ["f64", 1e-10],
        ["f32", 1e-6],
        ["bf16", 2 ** -8],
      ] as [FloatType, number][]) {
        const values = numbers(rows * cols * width, cols).map((v) => 4 * v);
        const x = Tensor.from(values, [rows, cols * width], dtype);
        const { y } = await runOp(x, numbers(rows * cols, 2), op);
        const out = new Tensor(dtype, [rows, cols]);
        loadAddon().tensorWrite(out.handle, 0, y as Float32Array);
        assertClose(out.toArray(), definition(x.toArray(), cols), tolerance, `${name} ${dtype} ${cols}`);
      }
    }
  });

  test(`${name} saturates without NaN`, async () => {
    const x = Tensor.from([-1e4, 1e4, -200, 200, -90, 90, 0, -0], [4 / width, 2 * width]);
    const { y, dx } = await runOp(x, new Float64Array(8 / width).fill(1), op);
    assert.ok(Array.from(y).every(Number.isFinite), `y: ${y}`);
    assert.ok(Array.from(dx).every(Number.isFinite), `dx: ${dx}`);
  });

  test(`${name}'s gradient agrees with central differences in float64`, async () => {
    const [rows, cols] = [3, 17];
    const x = Tensor.from(
      numbers(rows * cols * width, 3).map((v) => 4 * v),
      [rows, cols * width],
      "f64",
    );
    const dy = numbers(rows * cols, 4);
    const { dx } = await runOp(x, dy, op);
    assertClose(dx, await differences(x, () => forward(dy, (g) => op(g, x))), 1e-8, "dx");
  });

  for (const dtype of ["f32", "bf16"] as const) {
    test(`${name} in ${dtype} gives the same bits for one row as for many, on 1, 2 and 3 threads`, async () => {
      const [rows, cols] = [301, 131];
      const [x, dy] = [numbers(rows * cols * width, 5), numbers(rows * cols, 6)];
      const run = async (start: number, end: number) => {
        const xt = Tensor.from(
          x.subarray(start * cols * width, end * cols * width),
          [end - start, cols * width],
          dtype,
        );
        const out = await runOp(xt, dy.subarray(start * cols, end * cols), op);
        xt.dispose();
        return out;
      };
      loadAddon().setThreads(1);
      const whole = await run(0, rows);
      const one = await run(17, 18);
      assert.deepEqual(Array.from(one.y), Array.from(whole.y).slice(17 * cols, 18 * cols));
      assert.deepEqual(Array.from(one.dx), Array.from(whole.dx).slice(17 * cols * width, 18 * cols * width));
      for (const threads of [3, 2]) {
        loadAddon().setThreads(threads);
        assert.deepEqual(await run(0, rows), whole);
      }
    });
  }
}

test("swiglu names the argument that does not fit", async () => {
  const x = Tensor.from(numbers(5, 1), [1, 5]);
  await assert.rejects(runOp(x, [], swiglu), {
    code: "GRPO_SHAPE",
    message: "tensorCreate: numel must be a non-negative whole number",
  });
});
