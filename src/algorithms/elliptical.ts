import { mean, standardDeviation } from "./statistics.js";

/** A symmetric matrix (k, k), row-major. */
export type Matrix = Float64Array;

/** I / lambda, k by k. */
export function ridgeInverse(size: number, lambda: number): Matrix {
  return Float64Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 1 / lambda : 0));
}

/** M z for a symmetric M. */
function times(matrix: Matrix, z: Float64Array): Float64Array {
  return z.map((_, i) => z.reduce((sum, value, j) => sum + matrix[i * z.length + j]! * value, 0));
}

const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);

/** z^T M z. */
export function quadratic(matrix: Matrix, z: Float64Array): number {
  return dot(z, times(matrix, z));
}

/** In place: the inverse of A becomes that of A + sign z z^T (Sherman and Morrison 1950), sign = 1 or another factor. */
export function addOuter(inverse: Matrix, z: Float64Array, sign = 1): void {
  const u = times(inverse, z);
  const scale = sign / (1 + sign * dot(z, u));
  for (let i = 0; i < z.length; i++) {
    for (let j = 0; j < z.length; j++) inverse[i * z.length + j]! -= scale * u[i]! * u[j]!;
  }
}

/** How a bonus is measured: within all of the group, or against the others of it. */
export type BonusType = "leverage" | "leave_one_out";

/** Mean of vectors of one length. */
export function meanVector(vectors: readonly Float64Array[]): Float64Array {
  return vectors[0]!.map((_, c) => vectors.reduce((sum, z) => sum + z[c]!, 0) / vectors.length);
}

/**
 * Elliptical bonus of each member of a group (RepExp, arXiv 2510.11686, eq. 3), after centring, Sigma = lambda I + sum z z^T:
 *   leverage l_i = z_i^T Sigma^-1 z_i;  leave_one_out z_i^T (Sigma - z_i z_i^T)^-1 z_i = l_i / (1 - l_i)
 *
 * @param features (k) per member; null = an empty response: 0, and left out of the mean
 */
export function ellipticalBonus(features: readonly (Float64Array | null)[], lambda: number, type: BonusType): number[] {
  const present = features.filter((z) => z !== null);
  if (present.length === 0) return features.map(() => 0);
  const center = meanVector(present);
  const inverse = ridgeInverse(center.length, lambda);
  const centred = features.map((z) => (z === null ? center.map((value) => -value) : z.map((v, c) => v - center[c]!)));
  for (const z of centred) addOuter(inverse, z);
  const leverages = centred.map((z) => quadratic(inverse, z));
  return type === "leverage" ? leverages : leverages.map((l) => l / (1 - l));
}

/** `rnd`: over the sample deviation; `z_score`: centred as well. A deviation of 0 (or of one value) divides nothing. */
export function normalizeBonus(bonus: readonly number[], normalize: "none" | "rnd" | "z_score"): number[] {
  if (normalize === "none") return [...bonus];
  const std = standardDeviation(bonus, "sample");
  const center = normalize === "z_score" ? mean(bonus) : 0;
  return bonus.map((value) => (value - center) / (std > 0 ? std : 1));
}
