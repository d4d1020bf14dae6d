import { Parameter } from "../../src/engine/parameter.js";
import { type FloatType, Tensor } from "../../src/engine/tensor.js";

/** Numbers in (-1, 1) that depend on `seed` alone. */
export function randomArray(count: number, seed: number): Float64Array {
  let state = seed * 2654435761 + 1;
  return Float64Array.from({ length: count }, () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    let z = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return ((z ^ (z >>> 16)) >>> 0) / 2 ** 31 - 1;
  });
}

/** A head of random weights: the parameter in panels, and its values as stored, row by row. */
export function randomHead(vocab: number, cols: number, dtype: FloatType, seed: number, scale = 1) {
  const w = new Parameter("lm_head", "panels", [vocab, cols], dtype, []);
  const rounded = Tensor.from(
    randomArray(vocab * cols, seed).map((x) => x * scale),
    [vocab * cols],
    dtype,
  );
  const values = rounded.toArray();
  rounded.dispose();
  writePanels(w, values);
  return { w, values };
}

/** Overwrites a parameter in panels with `values` (out, in), row-major. */
export function writePanels(w: Parameter, values: ArrayLike<number>): void {
  const [out, cols] = w.shape as [number, number];
  const packed = new Float64Array(w.value.size);
  for (let n = 0; n < out; n++) {
    for (let k = 0; k < cols; k++) packed[panelIndex(n, k, cols, w.dtype === "bf16")] = values[n * cols + k]!;
  }
  w.value.write(packed);
}

/** Rows of a gradient (or f32, f64 weight) in panels. */
export function readPanels(panels: Tensor, out: number, cols: number): Float64Array {
  const packed = panels.toArray();
  return Float64Array.from(
    { length: out * cols },
    (_, i) => packed[panelIndex(Math.floor(i / cols), i % cols, cols, false)]!,
  );
}

function panelIndex(n: number, k: number, cols: number, pairs: boolean): number {
  const panel = Math.floor(n / 32);
  if (!pairs) return (panel * cols + k) * 32 + (n % 32);
  return ((panel * Math.ceil(cols / 2) + Math.floor(k / 2)) * 32 + (n % 32)) * 2 + (k % 2);
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
