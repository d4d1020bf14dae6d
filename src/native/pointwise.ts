/** native/cpp/binding/pointwise.cpp. Numbers that are not sizes or settings are tensor handles. */
export interface PointwiseAddon {
  rmsNorm(eps: number, x: number, weight: number, y: number, invRms: number): void;
  rmsNormBackward(
    x: number,
    weight: number,
    invRms: number,
    dy: number,
    dx: number,
    accumulate: boolean,
    dweight: number,
  ): void;
  layerNorm(eps: number, x: number, weight: number, bias: number | null, y: number, stats: number): void;
  layerNormBackward(
    x: number,
    weight: number,
    stats: number,
    dy: number,
    dx: number,
    accumulate: boolean,
    dweight: number,
    dbias: number | null,
  ): void;
  swiglu(cols: number, gateUp: number, y: number): void;
  swigluBackward(cols: number, gateUp: number, dy: number, dgateUp: number, accumulate: boolean): void;
  gelu(tanh: boolean, x: number, y: number): void;
  geluBackward(tanh: boolean, x: number, dy: number, dx: number, accumulate: boolean): void;
  embedding(panels: boolean, rows: number, cols: number, ids: Int32Array, table: number, y: number): void;
  embeddingBackward(cols: number, slots: Int32Array, dy: number, sums: number): void;
  gatherRows(cols: number, rows: Int32Array, x: number, y: number): void;
  gatherSlabs(cols: number, slabRows: number, rows: Int32Array, slabs: Uint32Array, y: number): void;
  gatherRowsBackward(cols: number, rows: Int32Array, dy: number, dx: number, accumulate: boolean): void;
}
