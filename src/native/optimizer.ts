/** native/cpp/binding/optimizer.cpp. Numbers that are not sizes or settings are tensor handles. */
export interface OptimizerAddon {
  squareSum(tensor: number): number;
  /** `step`: the eight fields of AdamWStep in native/cpp/kernels/adamw.h, in order. */
  adamw(
    step: Float64Array,
    panels: number,
    pairs: boolean,
    weight: number,
    low: number | null,
    grad: number,
    m: number,
    v: number,
    scales: number | null,
  ): void;
}
