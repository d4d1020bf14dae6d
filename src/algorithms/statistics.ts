/** Which standard deviation: divided by n - 1 (`sample`) or by n (`population`). */
export type Deviation = "sample" | "population";

/** Mean of the numbers, NaN left out; NaN when none is left. Equal numbers give exactly their value. */
export function mean(values: ArrayLike<number>): number {
  let first = Number.NaN;
  let sum = 0;
  let count = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (Number.isNaN(value)) continue;
    if (count === 0) first = value;
    sum += value - first;
    count += 1;
  }
  return count === 0 ? Number.NaN : first + sum / count;
}

/** Standard deviation of the numbers, NaN left out; NaN when fewer numbers are left than it needs (2 or 1). */
export function standardDeviation(values: ArrayLike<number>, kind: Deviation): number {
  const center = mean(values);
  let sum = 0;
  let count = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (Number.isNaN(value)) continue;
    sum += (value - center) ** 2;
    count += 1;
  }
  const divisor = kind === "sample" ? count - 1 : count;
  return divisor < 1 ? Number.NaN : Math.sqrt(sum / divisor);
}

/** Division of a standard score; `none` only centres. */
export interface ScoreOptions {
  scale: "group" | "none";
  std: Deviation;
  epsilon: number;
}

/**
 * (value - center) / (deviation + epsilon) within each part, where one value alone has deviation 1.
 *
 * @param parts indices of the values that are compared; a value in no part stays as it is
 * @param center of a part's values: their mean unless given
 * @param counts which values enter center and deviation: all unless given
 */
export function standardScores(
  values: readonly number[],
  parts: readonly (readonly number[])[],
  { scale, std, epsilon }: ScoreOptions,
  {
    center = mean,
    counts = () => true,
  }: { center?: (sample: number[]) => number; counts?: (i: number) => boolean } = {},
): number[] {
  const scores = [...values];
  for (const members of parts) {
    const sample = members.filter(counts).map((i) => values[i]!);
    const middle = center(sample);
    const width = sample.length > 1 ? standardDeviation(sample, std) : 1;
    for (const i of members) scores[i] = (values[i]! - middle) / (scale === "none" ? 1 : width + epsilon);
  }
  return scores;
}

/** The q-quantile (0 <= q <= 1) with linear interpolation between order statistics; NaN when there are no numbers. */
export function quantile(values: ArrayLike<number>, q: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = Float64Array.from(values).sort();
  const position = q * (sorted.length - 1);
  const below = Math.floor(position);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (position - below) * (high - low);
}

/**
 * The q-quantile (0 <= q <= 1) of float32 numbers, with linear interpolation between order statistics, in float32 throughout:
 * a threshold that is one of the numbers is exactly that number. NaN when there are none.
 */
export function quantileFloat32(values: ArrayLike<number>, q: number): number {
  if (values.length === 0) return Number.NaN;
  const { fround } = Math;
  const sorted = Float32Array.from(values).sort();
  const position = fround(fround(q) * (sorted.length - 1));
  const below = Math.floor(position);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  const weight = fround(position - below);
  const gap = fround(high - low);
  return weight < 0.5 ? fround(low + fround(weight * gap)) : fround(high - fround(gap * fround(1 - weight)));
}

/** `value` kept within [low, high]. */
export function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

/** Pearson's correlation of two lists of equal length; NaN where one of them does not vary. */
export function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const [center, other] = [mean(a), mean(b)];
  const products = Float64Array.from(a, (value, i) => (value - center) * (b[i]! - other));
  return mean(products) / (standardDeviation(a, "population") * standardDeviation(b, "population"));
}
