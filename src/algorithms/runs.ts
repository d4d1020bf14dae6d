/** Number of the run of consecutive ones that each place belongs to, from 0; -1 where the mask is 0. */
export function runsOf(mask: Uint8Array): { runs: Int32Array; count: number } {
  const runs = new Int32Array(mask.length).fill(-1);
  let count = 0;
  for (let t = 0; t < mask.length; t++) {
    if (mask[t] !== 1) continue;
    if (t === 0 || mask[t - 1] !== 1) count += 1;
    runs[t] = count - 1;
  }
  return { runs, count };
}

/** Sum of `values` over each run of {@link runsOf}. */
export function runSums(values: Float64Array, runs: Int32Array, count: number): Float64Array {
  const sums = new Float64Array(count);
  for (let t = 0; t < runs.length; t++) if (runs[t]! >= 0) sums[runs[t]!]! += values[t]!;
  return sums;
}
