import { packRows, unpackRows } from "../../src/engine/ops/panels.js";
import { Parameter } from "../../src/engine/parameter.js";
import type { FloatType, Tensor } from "../../src/engine/tensor.js";
import { numbers } from "./check.js";

/** A head of random weights in panels, and its values as stored, row by row. */
export function randomHead(vocab: number, cols: number, dtype: FloatType, seed: number, scale = 1) {
  return head(
    numbers(vocab * cols, seed).map((x) => x * scale),
    vocab,
    cols,
    dtype,
  );
}

/** A head (vocab, cols) with the given weights. */
export function head(weights: ArrayLike<number>, vocab: number, cols: number, dtype: FloatType) {
  const w = new Parameter("lm_head", "panels", [vocab, cols], dtype, []);
  packRows(w, 0, Float64Array.from(weights));
  return { w, values: taken(unpackRows(w)) };
}

/** The numbers of a tensor, which is freed. */
export function taken(tensor: Tensor): Float64Array {
  const values = tensor.toArray();
  tensor.dispose();
  return values;
}

/** Log-probs of all ids (R, V) and entropies (R), from the definition in float64. */
export function logSoftmax(
  h: ArrayLike<number>,
  w: ArrayLike<number>,
  sizes: { rows: number; cols: number; vocab: number; limit: number },
  temperature: (row: number) => number,
): { logp: Float64Array; entropy: Float64Array } {
  const { rows, cols, vocab, limit } = sizes;
  const logp = new Float64Array(rows * vocab).fill(Number.NEGATIVE_INFINITY);
  const entropy = new Float64Array(rows);
  for (let r = 0; r < rows; r++) {
    const logits = Float64Array.from({ length: limit }, (_, v) => {
      let sum = 0;
      for (let k = 0; k < cols; k++) sum += h[r * cols + k]! * w[v * cols + k]!;
      return sum / temperature(r);
    });
    const max = logits.reduce((a, b) => Math.max(a, b));
    const lse = max + Math.log(logits.reduce((sum, l) => sum + Math.exp(l - max), 0));
    for (let v = 0; v < limit; v++) {
      const lp = logits[v]! - lse;
      logp[r * vocab + v] = lp;
      entropy[r]! -= Math.exp(lp) * lp;
    }
  }
  return { logp, entropy };
}
