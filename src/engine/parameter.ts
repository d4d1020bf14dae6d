import type { GradientTarget } from "../native/linear.js";
import { loadAddon } from "../native/load.js";
import { accumulatorType, type FloatType, Tensor } from "./tensor.js";

/** Columns of one panel of a packed weight. */
export const PANEL = 32;

/**
 * How a parameter lies in memory.
 * - `panels`: a matrix (out, in) as [out/32][in][32], zero columns up to a multiple of 32; bf16 as [out/32][in/2][32] words
 *   that hold the pair (k, k+1), k in the low half, odd `in` padded by one zero. The only copy of the weight in memory.
 * - `rows`: a matrix row by row (an embedding table that is no LM head).
 * - `vector`: one row.
 */
export type Layout = "panels" | "rows" | "vector";

/** A tensor of a Hugging Face folder that fills rows `start`... of a parameter. */
export interface Part {
  name: string;
  start: number;
  rows: number;
}

/** Rows of x and dy that a weight gradient was given and has not added yet, fewer than its kernel adds at once. */
interface PendingRows {
  readonly x: Tensor;
  readonly dy: Tensor;
  rows: number;
}

/** A trained array: value in the model's type, gradient in float32 (float64 for f64), same layout. */
export class Parameter {
  readonly value: Tensor;
  #grad: Tensor | null = null;
  #pending: PendingRows | null = null;
  /** Memory of an earlier gradient. */
  #spare: Tensor | null = null;
  /** Gradient of embedding rows touched so far, a second accumulator when the table is also the LM head. */
  rowGrad: RowGrad | null = null;

  constructor(
    readonly name: string,
    readonly layout: Layout,
    /** (out, in), or (n) for a vector. */
    readonly shape: readonly number[],
    readonly dtype: FloatType,
    /** Which Hugging Face tensors it holds, in row order; more than one where projections are fused. */
    readonly parts: readonly Part[],
  ) {
    this.value = Tensor.zeros(dtype, [storedElements(layout, shape, dtype === "bf16")]);
  }

  /** Number of weights, padding not counted. */
  get count(): number {
    return this.shape.reduce((a, b) => a * b, 1);
  }

  /** Gradient of the minibatch so far; null until the first backward, after {@link clearGrad} and {@link resetGrad}. */
  get grad(): Tensor | null {
    const pending = this.#pending;
    if (pending !== null && pending.rows > 0) {
      const { x, dy } = pending;
      const [out, columns] = this.shape as [number, number];
      this.addRows(x, true, (...dw) => loadAddon().linearWeightGradient(0, out, columns, x.handle, dy.handle, ...dw));
    }
    return this.#grad;
  }

  /** The gradient tensor, zeroed on first use in a minibatch. */
  gradTensor(): Tensor {
    if (this.grad === null) this.#firstGrad().zero();
    return this.#grad!;
  }

  /**
   * Adds a product dy^T x to the gradient of panels: a chain over rows that goes on from call to call, so that no cut of the
   * rows shows. Rows that the kernel leaves for the next call wait here.
   *
   * @param x (rows, in)
   * @param last no more rows follow in this minibatch
   * @param kernel writes all of the gradient; returns how many rows it left
   */
  addRows(x: Tensor, last: boolean, kernel: (...dw: GradientTarget) => number): void {
    if (this.#pending === null && !last) {
      const [out, columns] = this.shape as [number, number];
      const block = loadAddon().weightGradientBlock(x.handle, columns);
      if (block > 1)
        this.#pending = {
          x: Tensor.zeros(x.dtype, [block, columns]),
          dy: Tensor.zeros(x.dtype, [block, out]),
          rows: 0,
        };
    }
    const accumulate = this.#grad !== null;
    const { handle } = this.#grad ?? this.#firstGrad();
    const pending = this.#pending;
    if (pending === null) kernel(handle, accumulate, null, null, 0, last);
    else pending.rows = kernel(handle, accumulate, pending.x.handle, pending.dy.handle, pending.rows, last);
  }

  #firstGrad(): Tensor {
    const size = storedElements(this.layout, this.shape, false);
    this.#grad = this.#spare ?? new Tensor(accumulatorType(this.dtype), [size]);
    this.#spare = null;
    return this.#grad;
  }

  /** Forgets the gradient and keeps its memory for the next: fresh pages cost more than zeros. */
  resetGrad(): void {
    this.#spare = this.#grad ?? this.#spare;
    this.#grad = null;
    if (this.#pending !== null) this.#pending.rows = 0;
    this.rowGrad?.dispose();
    this.rowGrad = null;
  }

  /** Forgets the gradient and frees its memory. */
  clearGrad(): void {
    this.resetGrad();
    this.#spare?.dispose();
    this.#spare = null;
    this.#pending?.x.dispose();
    this.#pending?.dy.dispose();
    this.#pending = null;
  }

  dispose(): void {
    this.clearGrad();
    this.value.dispose();
  }
}

/** Elements of the storage of a parameter, padding counted. `pairs`: bf16 panels, whose `in` is padded to even. */
export function storedElements(layout: Layout, shape: readonly number[], pairs: boolean): number {
  const out = shape[0]!;
  const columns = shape[1] ?? 1;
  if (layout !== "panels") return out * columns;
  return Math.ceil(out / PANEL) * PANEL * (pairs ? columns + (columns % 2) : columns);
}

/** Gradient rows of the embedding table: one slot per id seen in the minibatch, in order of first appearance. */
export class RowGrad {
  readonly slots = new Map<number, number>();
  data: Tensor;

  constructor(
    readonly columns: number,
    dtype: FloatType,
  ) {
    this.data = Tensor.zeros(accumulatorType(dtype), [64 * columns]);
  }

  /** Slot of each id, growing the storage when new ids appear. */
  slotsOf(ids: Int32Array): Int32Array {
    const out = new Int32Array(ids.length);
    for (let i = 0; i < ids.length; i++) {
      let slot = this.slots.get(ids[i]!);
      if (slot === undefined) {
        slot = this.slots.size;
        this.slots.set(ids[i]!, slot);
      }
      out[i] = slot;
    }
    const needed = this.slots.size * this.columns;
    if (needed > this.data.size) {
      const grown = Tensor.zeros(this.data.dtype, [Math.max(needed, 2 * this.data.size)]);
      grown.write(this.data.read() as Float32Array);
      this.data.dispose();
      this.data = grown;
    }
    return out;
  }

  /** The ids in slot order. */
  ids(): Int32Array {
    return Int32Array.from(this.slots.keys());
  }

  dispose(): void {
    this.data.dispose();
  }
}
