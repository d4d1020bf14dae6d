import assert from "node:assert/strict";
import { Graph } from "../../src/engine/graph.js";
import type { Layout } from "../../src/engine/parameter.js";
import { Parameter } from "../../src/engine/parameter.js";
import { type FloatType, Tensor } from "../../src/engine/tensor.js";

/** Numbers in [-1, 1) from a small linear congruential generator: the same on every machine. */
export function numbers(count: number, seed: number): Float64Array {
  let state = (seed * 2654435761) >>> 0;
  return Float64Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** A parameter whose storage holds `values` (already in the layout of the storage). */
export function parameter(
  values: ArrayLike<number>,
  dtype: FloatType,
  layout: Layout = "vector",
  shape: readonly number[] = [values.length],
): Parameter {
  const p = new Parameter("p", layout, shape, dtype, []);
  p.value.write(values);
  return p;
}

/** sum(y * dy) of an op on fresh tensors, without a tape. */
export async function forward(dy: Float64Array, run: (g: Graph) => Tensor | Promise<Tensor>): Promise<number> {
  const g = new Graph({ grad: false });
  const y = (await run(g)).toArray();
  g.dispose();
  return y.reduce((sum, v, i) => sum + v * dy[i]!, 0);
}

/** The central difference of `loss` in each element of a float64 tensor. */
export async function differences(at: Tensor, loss: () => Promise<number>, step = 1e-5): Promise<Float64Array> {
  const values = at.toArray();
  const out = new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) {
    at.write([values[i]! + step], i);
    const up = await loss();
    at.write([values[i]! - step], i);
    out[i] = (up - (await loss())) / (2 * step);
    at.write([values[i]!], i);
  }
  return out;
}

/** Asserts |got - want| <= tolerance * max(1, |want|) for every element. */
export function assertClose(got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number, what: string): void {
  assert.equal(got.length, want.length, `${what}: length`);
  for (let i = 0; i < got.length; i++) {
    const bound = tolerance * Math.max(1, Math.abs(want[i]!));
    assert.ok(Math.abs(got[i]! - want[i]!) <= bound, `${what}[${i}]: ${got[i]} is not ${want[i]} within ${bound}`);
  }
}

/** Output and gradients of an op as raw storage, for comparisons bit by bit. */
export interface Outcome {
  y: ArrayLike<number>;
  dx: ArrayLike<number>;
}

/** Runs an op of one input forward and backward from `dy`; the graph is disposed. */
export async function runOp(x: Tensor, dy: ArrayLike<number>, op: (g: Graph, x: Tensor) => Tensor): Promise<Outcome> {
  const g = new Graph({ grad: true });
  const y = op(g, x);
  const raw = y.read();
  g.seed(y, Tensor.from(dy, y.shape, y.dtype));
  await g.backward();
  const gradient = g.takeGradient(x);
  const dx = gradient?.read() ?? new Float64Array();
  gradient?.dispose();
  g.dispose();
  return { y: raw, dx };
}
