import { RandomStream, type RandomWords } from "./types.js";

/** One entry of a sparse matrix: row, column, value. */
export type SparseEntry = readonly [number, number, number];

/**
 * Sparse projection (d, k): 0 with probability 1 - 1/s, else +- sqrt(s / k), s = sqrt(d) (Li et al. 2006, "Very sparse random
 * projections"), entry by entry from the random words.
 */
export function sparseProjection(rows: number, columns: number, random: RandomWords): SparseEntry[] {
  const s = Math.sqrt(rows);
  const value = Math.sqrt(s / columns);
  const entries: SparseEntry[] = [];
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const u = random(RandomStream.projection, i, j) / 2 ** 32;
      if (u < 1 / s) entries.push([i, j, u < 1 / (2 * s) ? value : -value]);
    }
  }
  return entries;
}

/** Product of a dense row vector (d) with a sparse matrix (d, k). */
export function projectSparse(vector: Float64Array, entries: readonly SparseEntry[], columns: number): Float64Array {
  const z = new Float64Array(columns);
  for (const [i, j, value] of entries) z[j]! += vector[i]! * value;
  return z;
}
