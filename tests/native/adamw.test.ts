import assert from "node:assert/strict";
import { test } from "node:test";
import { AdamW, type AdamWOptions } from "../../src/engine/adamw.js";
import { gradNorm } from "../../src/engine/grad-norm.js";
import { type Layout, PANEL, Parameter, RowGrad } from "../../src/engine/parameter.js";
import type { FloatType } from "../../src/engine/tensor.js";
import { loadAddon } from "../../src/native/load.js";
import { assertClose, numbers, parameter } from "./check.js";

const options: AdamWOptions = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.1 };

/** A parameter of a shape with given values in storage order, and a way to set its gradient. */
function make(name: string, layout: Layout, shape: readonly number[], dtype: FloatType): Parameter {
  return new Parameter(name, layout, shape, dtype, []);
}

test("AdamW with clipping gives the numbers of torch 2.13 (torch.optim.AdamW, clip_grad_norm_)", () => {
  const gradients = [
    [0.3, -0.2, 0.05, 1.5, -4],
    [0.1, 0.4, -0.02, 0, 3],
    [-0.6, 0.2, 0.001, 0.25, -0.5],
  ];
  const norms = [4.287481784820557, 3.028266668319702, 0.8440977931022644];
  const weights = [
    [0.4895000159740448, -1.2387499809265137, 1.9880000352859497, 0.05243749916553497, -0.7392500042915344],
    [0.4797608256340027, -1.242289662361145, 1.983848214149475, 0.04566926136612892, -0.7393366694450378],
    [0.4846808612346649, -1.2483816146850586, 1.9797152280807495, 0.037682726979255676, -0.7369898557662964],
  ];
  const first = [
    -0.051360346376895905, 0.02810954675078392, 0.00045021099504083395, 0.05333830788731575, -0.0364089272916317,
  ];
  const second = [
    0.003658781060948968, 0.0005940563860349357, 1.7747486253938405e-6, 0.0018246322870254517, 0.020746754482388496,
  ];
  for (const dtype of ["f32", "f64"] as const) {
    const w = parameter([0.5, -1.25, 2, 0.0625, -0.75], dtype);
    const adamw = new AdamW([w], options);
    gradients.forEach((gradient, step) => {
      w.gradTensor().write(gradient);
      const report = adamw.step({ learningRate: 0.01, maxGradNorm: 1 });
      assert.equal(report.skipped, false);
      assertClose([report.gradNorm], [norms[step]!], 1e-6, "norm");
      assertClose(w.value.toArray(), weights[step]!, 2e-7, `weights after step ${step}`);
    });
    const { steps, tensors } = adamw.state();
    assert.equal(steps, 3);
    assertClose(tensors["p.exp_avg"]!.toArray(), first, 3e-8, "exp_avg");
    assertClose(tensors["p.exp_avg_sq"]!.toArray(), second, 5e-9, "exp_avg_sq");
  }
});

/** Index of gradient element i among the 16-bit halves of bf16 panels, from the description of the layout. */
function half(i: number, columns: number): number {
  const [panel, inside] = [Math.floor(i / (PANEL * columns)), i % (PANEL * columns)];
  const [k, lane] = [Math.floor(inside / PANEL), inside % PANEL];
  return ((panel * Math.ceil(columns / 2) + Math.floor(k / 2)) * PANEL + lane) * 2 + (k % 2);
}

for (const [layout, shape] of [
  ["vector", [1]],
  ["vector", [331]],
  ["rows", [7, 37]],
  ["panels", [70, 9]],
  ["panels", [32, 64]],
] as [Layout, number[]][]) {
  test(`bf16 ${layout} of ${shape.join(" x ")} has the float32 master a separate copy would have`, () => {
    const narrow = make("p", layout, shape, "bf16");
    const wide = make("p", layout, shape, "f32");
    const size = wide.value.size;
    const place = (i: number) => (layout === "panels" ? half(i, shape[1]!) : i);
    const start = parameter(
      numbers(size, 1).map((v) => 0.05 * v),
      "bf16",
    ).value.toArray();
    wide.value.write(start);
    const scattered = new Float64Array(narrow.value.size);
    start.forEach((v, i) => {
      scattered[place(i)] = v;
    });
    narrow.value.write(scattered);
    const pair = [new AdamW([narrow], options), new AdamW([wide], options)];
    for (let step = 0; step < 30; step++) {
      const gradient = numbers(size, 100 + step);
      for (const [i, p] of [narrow, wide].entries()) {
        p.gradTensor().write(gradient);
        pair[i]!.step({ learningRate: 1e-4, maxGradNorm: 1 });
      }
    }
    const bits = narrow.value.read();
    const low = new Int16Array((pair[0]!.state().tensors["p.low_bits"]!.read() as Uint8Array).buffer);
    const want = wide.value.read() as Float32Array;
    const master = new Int32Array(1);
    for (let i = 0; i < size; i++) {
      master[0] = (bits[place(i)]! << 16) + low[place(i)]!;
      assert.equal(new Float32Array(master.buffer)[0], want[i], `element ${i}`);
      assert.equal(bits[place(i)], (new Int32Array(want.buffer)[i]! + 0x8000) >>> 16, `weight ${i}`);
    }
    assert.ok(want.some((v, i) => v !== start[i]));
  });
}

for (const moments of ["f32", "int8"] as const) {
  for (const dtype of ["f32", "bf16"] as const) {
    test(`AdamW with ${moments} moments in ${dtype} gives the same bits on 1, 2 and 3 threads and after a resume`, () => {
      const run = (threads: number, resumeAt: number) => {
        loadAddon().setThreads(threads);
        const parameters = [make("a", "panels", [200, 131], dtype), make("b", "vector", [331], dtype)];
        let adamw = new AdamW(parameters, { ...options, moments });
        for (let step = 0; step < 6; step++) {
          if (step === resumeAt) {
            const { steps, tensors } = adamw.state();
            const raw = Object.fromEntries(Object.entries(tensors).map(([name, t]) => [name, t.read() as Uint8Array]));
            adamw.dispose();
            adamw = new AdamW(parameters, { ...options, moments });
            adamw.load({ steps, tensors: raw });
          }
          for (const p of parameters) p.gradTensor().write(numbers(p.gradTensor().size, step));
          adamw.step({ learningRate: 1e-3, maxGradNorm: 1 });
        }
        const weights = parameters.map((p) => p.value.read());
        adamw.dispose();
        for (const p of parameters) p.dispose();
        return weights;
      };
      const whole = run(1, -1);
      assert.deepEqual(run(2, -1), whole);
      assert.deepEqual(run(3, 3), whole);
      loadAddon().setThreads(2);
    });
  }
}

test("8-bit moments follow the mean of a noisy gradient and its square as float32 moments do", () => {
  const size = 1000;
  const scales = Float64Array.from({ length: size }, (_, i) => 10 ** (-3 * (i / size)));
  const [narrow, wide] = [make("p", "vector", [size], "f32"), make("p", "vector", [size], "f32")];
  const setting = { ...options, beta2: 0.999 };
  const pair = [new AdamW([narrow], { ...setting, moments: "int8" }), new AdamW([wide], setting)];
  for (let step = 0; step < 2000; step++) {
    const gradient = numbers(size, step).map((v, i) => (v + 0.5) * scales[i]!);
    for (const [i, p] of [narrow, wide].entries()) {
      p.gradTensor().write(gradient);
      pair[i]!.step({ learningRate: 1e-4, maxGradNorm: null });
    }
  }
  const [got, want] = [narrow.value.toArray(), wide.value.toArray()];
  const moved = want.reduce((sum, v) => sum + Math.abs(v), 0) / size;
  const apart = want.reduce((sum, v, i) => sum + Math.abs(v - got[i]!), 0) / size;
  const bias = want.reduce((sum, v, i) => sum + v - got[i]!, 0) / size;
  assert.ok(moved > 0.05, `weights moved by ${moved}`);
  assert.ok(apart < 0.02 * moved, `mean distance ${apart} of ${moved}`);
  assert.ok(Math.abs(bias) < 0.005 * moved, `mean bias ${bias} of ${moved}`);
});

test("8-bit moments fit a linear regression as fast as float32 moments", () => {
  const [samples, size] = [64, 300];
  const x = numbers(samples * size, 1);
  const truth = numbers(size, 2);
  const curve = (moments: "f32" | "int8") => {
    const w = make("p", "vector", [size], "f32");
    const adamw = new AdamW([w], { ...options, weightDecay: 0, beta2: 0.999, moments });
    const losses: number[] = [];
    for (let step = 0; step < 150; step++) {
      const at = w.value.toArray();
      const gradient = new Float64Array(size);
      let loss = 0;
      for (let s = 0; s < samples; s++) {
        const row = x.subarray(s * size, (s + 1) * size);
        const error = row.reduce((sum, v, i) => sum + v * (at[i]! - truth[i]!), 0);
        loss += error ** 2 / samples;
        for (let i = 0; i < size; i++) gradient[i]! += (2 * error * row[i]!) / samples;
      }
      losses.push(loss);
      w.gradTensor().write(gradient);
      adamw.step({ learningRate: 0.02, maxGradNorm: null });
    }
    return losses;
  };
  const [wide, narrow] = [curve("f32"), curve("int8")];
  assert.ok(wide[149]! < 1e-2 * wide[0]!, `float32 went from ${wide[0]} to ${wide[149]}`);
  for (const step of [20, 50, 80]) assertClose([narrow[step]! / wide[step]!], [1], 0.1, `loss at step ${step}`);
  assert.ok(narrow[149]! < 1e-2 * narrow[0]!, `8-bit went from ${narrow[0]} to ${narrow[149]}`);
});

test("a gradient that is not finite is reported and changes nothing", () => {
  const w = parameter([1, 2, 3], "f32");
  const adamw = new AdamW([w], options);
  w.gradTensor().write([1, Number.NaN, 0]);
  assert.deepEqual(adamw.step({ learningRate: 1, maxGradNorm: 1 }), { gradNorm: Number.NaN, skipped: true });
  assert.deepEqual(w.value.toArray(), Float64Array.of(1, 2, 3));
  assert.equal(adamw.steps, 0);
});

test("learning rate 0 leaves the weights bit-identical", () => {
  for (const dtype of ["f32", "bf16"] as const) {
    const w = make("p", "panels", [40, 7], dtype);
    w.value.write(numbers(w.value.size, 1));
    const before = w.value.read();
    const adamw = new AdamW([w], options);
    w.gradTensor().write(numbers(w.gradTensor().size, 2));
    adamw.step({ learningRate: 0, maxGradNorm: 1 });
    assert.deepEqual(w.value.read(), before);
  }
});

test("the gradient norm is that of all gradients, embedding rows added once, on any number of threads", () => {
  for (const layout of ["rows", "panels"] as const) {
    const [a, table] = [make("a", "vector", [70001], "f32"), make("table", layout, [40, 3], "f32")];
    const values = numbers(a.count, 3);
    a.gradTensor().write(values);
    table.gradTensor();
    const norms = [1, 2, 3].map((threads) => {
      loadAddon().setThreads(threads);
      table.clearGrad();
      table.rowGrad = new RowGrad(3, "f32");
      const slots = table.rowGrad.slotsOf(Int32Array.of(33, 2));
      assert.deepEqual(slots, Int32Array.of(0, 1));
      table.rowGrad.data.write([1, 2, 3, 4, 5, 6]);
      return gradNorm([a, table]);
    });
    loadAddon().setThreads(2);
    assert.equal(new Set(norms).size, 1);
    const exact = Float32Array.from(values).reduce((sum, v) => sum + v * v, 91);
    assertClose([norms[0]!], [Math.sqrt(exact)], 1e-12, "norm");
    const grad = table.grad!.toArray();
    const at = (row: number, k: number) =>
      layout === "rows" ? row * 3 + k : (Math.floor(row / 32) * 3 + k) * 32 + (row % 32);
    assert.deepEqual(
      [0, 1, 2].map((k) => grad[at(33, k)]),
      [1, 2, 3],
    );
    assert.equal(
      grad.reduce((sum, v) => sum + v, 0),
      21,
    );
  }
});

test("state of another model is refused", () => {
  const adamw = new AdamW([parameter([1, 2, 3], "f32")], options);
  assert.throws(() => adamw.load({ steps: 1, tensors: { "p.exp_avg": new Float32Array(2) } }), {
    code: "GRPO_OPTIMIZER_STATE",
    exitCode: 4,
    message: "optimizer state: p.exp_avg has 2 elements, expected 3",
  });
});
