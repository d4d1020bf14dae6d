import { Graph } from "../../src/engine/graph.js";
import { linear } from "../../src/engine/ops/linear.js";
import { packRows, unpackGradient, unpackRows } from "../../src/engine/ops/panels.js";
import { Parameter } from "../../src/engine/parameter.js";
import { type FloatType, Tensor } from "../../src/engine/tensor.js";
import { numbers } from "./check.js";

export function matrix(dtype: FloatType, out: number, columns: number, seed: number): Parameter {
  const parameter = new Parameter("w", "panels", [out, columns], dtype, []);
  packRows(parameter, 0, numbers(out * columns, seed));
  return parameter;
}

export function vector(dtype: FloatType, n: number, seed: number): Parameter {
  const parameter = new Parameter("b", "vector", [n], dtype, []);
  packRows(parameter, 0, numbers(n, seed));
  return parameter;
}

export interface Case {
  dtype: FloatType;
  rows: number;
  out: number;
  columns: number;
  bias?: boolean;
  residual?: boolean;
  /** Row numbers at which the rows are cut into calls. */
  cuts?: number[];
  /** Says with the last call that no more rows follow. */
  last?: boolean;
}

/** Runs forward and backward of y = x W^T (+ bias) (+ residual) with gradient dy, everything made from fixed seeds. */
export async function run(c: Case) {
  const { dtype, rows, out, columns } = c;
  const x = numbers(rows * columns, 1);
  const dy = numbers(rows * out, 2);
  const residual = numbers(rows * out, 3);
  const w = matrix(dtype, out, columns, 4);
  const bias = c.bias ? vector(dtype, out, 5) : undefined;
  const y = new Float64Array(rows * out);
  const dx = new Float64Array(rows * columns);
  const dresidual = new Float64Array(rows * out);
  const edges = [0, ...(c.cuts ?? []), rows];
  for (let i = 0; i + 1 < edges.length; i++) {
    const [a, b] = [edges[i]!, edges[i + 1]!];
    const g = new Graph({ grad: true, last: c.last === true && i + 2 === edges.length });
    const input = Tensor.from(x.subarray(a * columns, b * columns), [b - a, columns], dtype);
    const added = c.residual ? Tensor.from(residual.subarray(a * out, b * out), [b - a, out], dtype) : undefined;
    const options = { ...(bias && { bias }), ...(added && { residual: added }) };
    const output = linear(g, input, w, options);
    y.set(output.toArray(), a * out);
    g.seed(output, Tensor.from(dy.subarray(a * out, b * out), [b - a, out], dtype));
    await g.backward();
    for (const [tensor, into, width] of [
      [input, dx, columns],
      [added, dresidual, out],
    ] as const) {
      if (tensor === undefined) continue;
      const gradient = g.takeGradient(tensor)!;
      into.set(gradient.toArray(), a * width);
      gradient.dispose();
      tensor.dispose();
    }
    g.dispose();
  }
  const dw = unpackGradient(w);
  const result = { y, dx, dw: dw.toArray(), dbias: bias?.grad?.toArray(), dresidual };
  dw.dispose();
  const padding = w.gradTensor().toArray();
  const values = unpackRows(w);
  const weights = values.toArray();
  values.dispose();
  w.dispose();
  bias?.dispose();
  return { ...result, x, dyIn: dy, residual, weights, padding };
}

/** The number a tensor of `dtype` holds for v. */
export function rounded(values: Float64Array, dtype: FloatType): Float64Array {
  const t = Tensor.from(values, [values.length], dtype);
  const out = t.toArray();
  t.dispose();
  return out;
}

export const sizes: [number, number, number][] = [
  [1, 1, 1],
  [7, 31, 13],
  [3, 33, 16],
  [13, 65, 97],
  [25, 96, 31],
  [40, 17, 64],
];
