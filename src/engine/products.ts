import { loadAddon } from "../native/load.js";
import { Tensor } from "./tensor.js";

/** Called in place of each matrix product of a forward pass, in their order: fills `y` (rows, N), by `multiply` or with the same. */
export type Products = (y: Tensor, multiply: () => void) => void;

/**
 * Rows of one width that come a few at a time and are asked for in another order, in slabs of `slabRows`: as many as will be
 * asked for, so that freed slabs are taken for the tensors they were copied into.
 */
export class KeptRows {
  readonly #slabs: Tensor[] = [];
  count = 0;

  constructor(readonly slabRows: number) {}

  /** Adds a copy of the rows of `y` (rows, N). */
  append(y: Tensor): void {
    const [rows, columns] = y.shape as [number, number];
    for (let row = 0; row < rows; ) {
      const at = this.count % this.slabRows;
      if (at === 0) this.#slabs.push(new Tensor(y.dtype, [this.slabRows, columns]));
      const count = Math.min(rows - row, this.slabRows - at);
      const slab = this.#slabs.at(-1)!.handle;
      loadAddon().tensorCopy(slab, at * columns, y.handle, row * columns, count * columns);
      row += count;
      this.count += count;
    }
  }

  /** Copies rows, by the order in which they were added, into `y` (rows.length, N). */
  gather(rows: Int32Array, y: Tensor): void {
    const slabs = Uint32Array.from(this.#slabs, ({ handle }) => handle);
    loadAddon().gatherSlabs(y.shape[1]!, this.slabRows, rows, slabs, y.handle);
  }

  dispose(): void {
    for (const slab of this.#slabs) slab.dispose();
    this.#slabs.length = 0;
  }
}
