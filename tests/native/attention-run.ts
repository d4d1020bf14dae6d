import assert from "node:assert/strict";
import { Graph } from "../../src/engine/graph.js";
import { newKvStore } from "../../src/engine/kv-store.js";
import { treeAttention } from "../../src/engine/ops/tree-attention.js";
import { type FloatType, Tensor } from "../../src/engine/tensor.js";
import type { TestPlan, TestSegment } from "./attention-trees.js";

export interface Shape {
  heads: number;
  kvHeads: number;
  headDim: number;
}

/** A forest with branches inside blocks, at their borders and inside copied keys. */
export const tree: TestSegment[] = [
  { parent: -1, at: 0, length: 70 }, // a prefix past one block
  { parent: 0, at: 70, length: 9 },
  { parent: 0, at: 33, length: 40 }, // branches inside its parent, inside a block
  { parent: 2, at: 17, length: 5 }, // second level, inside a block of copied keys
  { parent: 0, at: 64, length: 1 }, // branches at a block border
  { parent: -1, at: 0, length: 3 },
];

/** softmax(scale q k^T) v in float64 over the path of each row. */
export function reference(qkv: ArrayLike<number>, { paths }: TestPlan, s: Shape, scale: number): Float64Array {
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

export interface Result {
  out: Float64Array;
  bits: Uint8Array;
  gradient: Float64Array;
}

/** Forward, and backward from `dout` when given, on fresh tensors. */
export async function run(
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

export function assertClose(got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number, what: string): void {
  assert.equal(got.length, want.length);
  for (let i = 0; i < want.length; i++) {
    assert.ok(
      Math.abs(got[i]! - want[i]!) <= tolerance * Math.max(1, Math.abs(want[i]!)),
      `${what}: element ${i} is ${got[i]}, expected ${want[i]}`,
    );
  }
}

/** Columns of the projections of one row. */
export const widthOf = (s: Shape) => (s.heads + 2 * s.kvHeads) * s.headDim;

/** Rows of `all` at `rows`, `width` numbers each. */
export const pick = (all: ArrayLike<number>, rows: readonly number[], width: number) =>
  Float64Array.from(rows.flatMap((r) => Array.from({ length: width }, (_, i) => all[r * width + i]!)));
