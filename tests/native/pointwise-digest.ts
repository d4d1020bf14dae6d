/** Prints one digest of what the row-wise kernels and the optimizer compute, to be compared between instruction sets. */
import { createHash } from "node:crypto";
import { AdamW } from "../../src/engine/adamw.js";
import { gradNorm } from "../../src/engine/grad-norm.js";
import type { Graph } from "../../src/engine/graph.js";
import { gelu } from "../../src/engine/ops/gelu.js";
import { layerNorm } from "../../src/engine/ops/layer-norm.js";
import { rmsNorm } from "../../src/engine/ops/rms-norm.js";
import { swiglu } from "../../src/engine/ops/swiglu.js";
import { Parameter } from "../../src/engine/parameter.js";
import { Tensor } from "../../src/engine/tensor.js";
import { numbers, parameter, runOp } from "./check.js";

const hash = createHash("sha256");
const add = (values: ArrayLike<number>) => hash.update(new Uint8Array((values as Float32Array).buffer));

for (const dtype of ["f32", "bf16"] as const) {
  for (const cols of [1, 7, 16, 33, 130]) {
    const rows = 9;
    const [w, b] = [parameter(numbers(cols, 1), dtype), parameter(numbers(cols, 2), dtype)];
    const ops: [number, (g: Graph, x: Tensor) => Tensor][] = [
      [cols, (g, x) => rmsNorm(g, x, w, 1e-6)],
      [cols, (g, x) => layerNorm(g, x, w, b, 1e-5)],
      [2 * cols, swiglu],
      [cols, (g, x) => gelu(g, x)],
      [cols, (g, x) => gelu(g, x, "tanh")],
    ];
    for (const [width, op] of ops) {
      const values = numbers(rows * width, width).map((v) => 5 * v);
      const { y, dx } = await runOp(Tensor.from(values, [rows, width], dtype), numbers(rows * cols, 4), op);
      add(y);
      add(dx);
    }
    add(w.gradTensor().read());
    add(b.gradTensor().read());
  }
  for (const moments of ["f32", "int8"] as const) {
    const parameters = [
      new Parameter("a", "panels", [40, 19], dtype, []),
      new Parameter("b", "vector", [331], dtype, []),
      new Parameter("c", "rows", [3, 512], dtype, []),
    ];
    const adamw = new AdamW(parameters, { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.1, moments });
    for (let step = 0; step < 5; step++) {
      for (const p of parameters) p.gradTensor().write(numbers(p.gradTensor().size, step));
      hash.update(String(gradNorm(parameters)));
      adamw.step({ learningRate: 1e-2, maxGradNorm: 1 });
    }
    for (const p of parameters) add(p.value.read());
    for (const tensor of Object.values(adamw.state().tensors)) add(tensor.read());
  }
}
console.log(hash.digest("hex"));
