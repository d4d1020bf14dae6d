/** native/cpp/binding/ceiling.cpp: what the machine can do at best, for benchmarks. */
export interface CeilingAddon {
  /** Returns the number of floating-point operations done. */
  ceilingMultiplyAdd(rounds: number, bf16: boolean): number;
  ceilingRead(tensor: number): void;
  ceilingCopy(from: number, to: number): void;
}
