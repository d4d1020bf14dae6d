/** What the only row of a group gets, having nobody to be compared with. */
export interface SingleOption {
  /** No advantage, or its reward as it is (baseline 0, as in verl). */
  single: "zero" | "reward";
}
