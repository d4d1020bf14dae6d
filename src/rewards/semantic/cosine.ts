/** Keeps the cosine of a zero vector 0; that of the script of arXiv 2509.13081. */
const EPSILON = 1e-8;

/** a . b / (|a| |b| + epsilon); 0 where one of them is zero. */
export function cosine(a: Float64Array, b: Float64Array, epsilon = EPSILON): number {
  const dot = (x: Float64Array, y: Float64Array) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
  return dot(a, b) / (Math.sqrt(dot(a, a)) * Math.sqrt(dot(b, b)) + epsilon);
}

/** How a cosine becomes a reward: as it is, without what is below 0, or moved into [0, 1]. */
export type CosineMapping = "raw" | "clip0" | "affine";

/** The reward of a cosine in [-1, 1]. */
export function mapCosine(value: number, mapping: CosineMapping): number {
  if (mapping === "clip0") return Math.max(0, value);
  return mapping === "affine" ? (value + 1) / 2 : value;
}
