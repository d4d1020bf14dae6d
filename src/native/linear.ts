/** A tensor handle, or numbers to convert; a Uint16Array holds bf16 bits. */
export type FloatSource = number | Float32Array | Float64Array | Uint16Array;

/**
 * What a kernel of a weight gradient is told of it: handle; whether there is something to add to; handles of the rows that
 * wait, or null, and how many; whether no more rows follow.
 */
export type GradientTarget = [
  dw: number,
  accumulate: boolean,
  pendingX: number | null,
  pendingDy: number | null,
  pendingRows: number,
  close: boolean,
];

/** native/cpp/binding/linear.cpp; numbers named x, w, dy... are tensor handles. */
export interface LinearAddon {
  linearForward(
    rows: number,
    out: number,
    columns: number,
    x: number,
    w: number,
    bias: number | null,
    residual: number | null,
    y: number,
  ): void;
  linearInputGradient(
    rows: number,
    out: number,
    columns: number,
    dy: number,
    w: number,
    dx: number,
    accumulate: boolean,
  ): void;
  linearWeightGradient(
    rows: number,
    out: number,
    columns: number,
    x: number,
    dy: number,
    ...target: GradientTarget
  ): number;
  weightGradientBlock(x: number, columns: number): number;
  linearBiasGradient(rows: number, out: number, dy: number, dbias: number): void;
  addInPlace(target: number, source: number): void;
  panelsPack(panels: number, out: number, columns: number, start: number, count: number, rows: FloatSource): void;
  panelsUnpack(panels: number, out: number, columns: number, start: number, count: number, rows: number): void;
  panelsAddRows(panels: number, out: number, columns: number, ids: Int32Array, data: number): void;
  tensorConvert(target: number, offset: number, count: number, source: FloatSource): void;
}
