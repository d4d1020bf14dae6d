import assert from "node:assert/strict";
import { test } from "node:test";
import { Graph } from "../../src/engine/graph.js";
import { layerNorm } from "../../src/engine/ops/layer-norm.js";
import { rmsNorm } from "../../src/engine/ops/rms-norm.js";
import type { Parameter } from "../../src/engine/parameter.js";
import { type FloatType, Tensor } from "../../src/engine/tensor.js";
import { loadAddon } from "../../src/native/load.js";
import { assertClose, differences, forward, numbers, parameter, runOp } from "./check.js";

const eps = 1e-6;
type Norm = (g: Graph, x: Tensor, weight: Parameter, bias: Parameter) => Tensor;
const norms: Record<string, Norm> = {
  rmsNorm: (g, x, weight) => rmsNorm(g, x, weight, eps),
  layerNorm: (g, x, weight, bias) => layerNorm(g, x, weight, bias, eps),
};

/** The definition, row by row in float64. */
function reference(name: string, x: Float64Array, weight: Float64Array, bias: Float64Array): Float64Array {
  const cols = weight.length;
  return x.map((v, i) => {
    const row = x.subarray(i - (i % cols), i - (i % cols) + cols);
    const mean = name === "rmsNorm" ? 0 : row.reduce((a, b) => a + b, 0) / cols;
    const square = row.reduce((a, b) => a + (b - mean) ** 2, 0) / cols;
    const b = name === "rmsNorm" ? 0 : bias[i % cols]!;
    return ((v - mean) / Math.sqrt(square + eps)) * weight[i % cols]! + b;
  });
}

for (const [name, norm] of Object.entries(norms)) {
  for (const cols of [1, 7, 15, 16, 17, 31, 33, 131]) {
    test(`${name} agrees with the definition at ${cols} columns`, async () => {
      const rows = 5;
      const [x, weight, bias] = [numbers(rows * cols, 1), numbers(cols, 2), numbers(cols, 3)];
      for (const [dtype, tolerance] of [
        ["f64", 1e-12],
        ["f32", 4e-6],
        ["bf16", 2 ** -7],
      ] as [FloatType, number][]) {
        const xt = Tensor.from(x, [rows, cols], dtype);
        const [w, b] = [parameter(weight, dtype), parameter(bias, dtype)];
        const { y } = await runOp(xt, numbers(rows * cols, 4), (g, t) => norm(g, t, w, b));
        const want = reference(name, xt.toArray(), w.value.toArray(), b.value.toArray());
        const out = new Tensor(dtype, [rows, cols]);
        loadAddon().tensorWrite(out.handle, 0, y as Float32Array);
        assertClose(out.toArray(), want, tolerance, `${name} ${dtype}`);
      }
    });
  }

  test(`${name}'s gradients agree with central differences in float64`, async () => {
    const [rows, cols] = [3, 17];
    const x = Tensor.from(numbers(rows * cols, 5), [rows, cols], "f64");
    const [w, b] = [parameter(numbers(cols, 6), "f64"), parameter(numbers(cols, 7), "f64")];
    const dy = numbers(rows * cols, 8);
    const loss = () => forward(dy, (g) => norm(g, x, w, b));
    const { dx } = await runOp(x, dy, (g, t) => norm(g, t, w, b));
    assertClose(dx, await differences(x, loss), 1e-7, "dx");
    assertClose(w.gradTensor().toArray(), await differences(w.value, loss), 1e-7, "dweight");
    if (name === "layerNorm") assertClose(b.gradTensor().toArray(), await differences(b.value, loss), 1e-7, "dbias");
  });

  for (const dtype of ["f32", "bf16"] as const) {
    test(`${name} in ${dtype} gives the same bits for any cut of the rows and any number of threads`, async () => {
      const [rows, cols] = [303, 131];
      const [x, dy] = [numbers(rows * cols, 9), numbers(rows * cols, 10)];
      const run = async (cuts: number[], threads: number) => {
        loadAddon().setThreads(threads);
        const [w, b] = [parameter(numbers(cols, 11), dtype), parameter(numbers(cols, 12), dtype)];
        const y: number[] = [];
        const dx: number[] = [];
        let start = 0;
        for (const end of cuts) {
          const xt = Tensor.from(x.subarray(start * cols, end * cols), [end - start, cols], dtype);
          const out = await runOp(xt, dy.subarray(start * cols, end * cols), (g, t) => norm(g, t, w, b));
          y.push(...Array.from(out.y));
          dx.push(...Array.from(out.dx));
          xt.dispose();
          start = end;
        }
        return { y, dx, dweight: w.gradTensor().read(), dbias: b.gradTensor().read() };
      };
      const whole = await run([rows], 1);
      assert.deepEqual(await run([1, 2, 100, 101, rows], 1), whole);
      assert.deepEqual(await run([rows], 2), whole);
      assert.deepEqual(await run([150, rows], 3), whole);
      loadAddon().setThreads(2);
    });
  }

  test(`${name} adds to a gradient that is there and takes zero rows`, async () => {
    const cols = 5;
    const [w, b] = [parameter(numbers(cols, 13), "f32"), parameter(numbers(cols, 14), "f32")];
    const x = Tensor.from(numbers(cols, 15), [1, cols], "f32");
    const dy = numbers(cols, 16);
    const once = await runOp(x, dy, (g, t) => norm(g, t, w, b));
    const g = new Graph({ grad: true });
    const y = norm(g, x, w, b);
    g.seed(x, Tensor.from(new Float64Array(cols).fill(1), [1, cols]));
    g.seed(y, Tensor.from(dy, [1, cols]));
    await g.backward();
    const sum = g.takeGradient(x)!;
    assert.deepEqual(
      sum.read(),
      Float32Array.from(once.dx, (v) => 1 + v),
    );
    g.dispose();
    const none = await runOp(new Tensor("f32", [0, cols]), [], (g2, t) => norm(g2, t, w, b));
    assert.equal(none.y.length, 0);
  });
}

test("rmsNorm names the argument that does not fit", () => {
  const w = parameter(numbers(4, 1), "f32");
  const x = Tensor.from(numbers(10, 1), [2, 5]);
  return assert.rejects(
    runOp(x, [], (g, t) => rmsNorm(g, t, w, eps)),
    {
      name: "RangeError",
      code: "GRPO_SHAPE",
      message: "rmsNorm: x has 10 elements, expected 8",
    },
  );
});
