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
