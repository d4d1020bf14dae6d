/** An estimate with the ends of its 95 % confidence interval. */
export interface Estimate {
  value: number;
  low: number;
  high: number;
}

/** 97.5 % quantile of the standard normal distribution. */
const z = 1.959963984540054;

/**
 * Share of successes with the Wilson score interval (Wilson 1927):
 * (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n). NaN for n = 0.
 */
export function wilson(successes: number, n: number): Estimate {
  if (n === 0) return { value: Number.NaN, low: Number.NaN, high: Number.NaN };
  const p = successes / n;
  const centre = (p + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const half = (z * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n))) / (1 + (z * z) / n);
  return { value: p, low: successes === 0 ? 0 : centre - half, high: successes === n ? 1 : centre + half };
}

/**
 * Unbiased estimate of pass@k from n samples of which c are right: 1 - C(n-c, k) / C(n, k), as the product
 * 1 - prod_{i=n-c+1}^{n} (1 - k/i) (Chen et al. 2021, arXiv 2107.03374, eq. 1). NaN for k > n.
 */
export function passAtK(n: number, c: number, k: number): number {
  if (k > n) return Number.NaN;
  if (n - c < k) return 1;
  let fails = 1;
  for (let i = n - c + 1; i <= n; i++) fails *= 1 - k / i;
  return 1 - fails;
}

/**
 * Mean over prompts with an interval from the spread between prompts: mean +- z s / sqrt(m), s the sample standard
 * deviation of the m values. Samples of one prompt are not independent, so the prompt is the unit. With one prompt the
 * interval is unknown: NaN.
 *
 * @param values one number per prompt, for example its avg@k or pass@k
 */
export function meanOverPrompts(values: readonly number[]): Estimate {
  const m = values.length;
  const value = values.reduce((sum, x) => sum + x, 0) / m;
  const variance = values.reduce((sum, x) => sum + (x - value) ** 2, 0) / (m - 1);
  const half = z * Math.sqrt(variance / m);
  return { value, low: value - half, high: value + half };
}

/** Scores of an evaluation with `samples` completions per prompt. */
export interface Evaluation {
  /** Mean over prompts of the share of right completions. */
  average: Estimate;
  /** pass@k for k = 1, 2, 4, ... up to the fewest samples of a prompt. */
  pass: Map<number, Estimate>;
  prompts: number;
}

/**
 * avg@k and pass@k over prompts. With one sample per prompt the average is a share of independent trials and gets the
 * Wilson interval; else intervals come from the spread between prompts, clipped to [0, 1]. Where every prompt scores 0, or
 * every prompt 1, there is no spread to learn from, and the interval is Wilson's with a trial per prompt.
 *
 * @param right per prompt: whether each of its completions was right
 */
export function evaluation(right: readonly (readonly boolean[])[]): Evaluation {
  const counts = right.map((samples) => ({ n: samples.length, c: samples.filter(Boolean).length }));
  const fewest = counts.reduce((least, { n }) => Math.min(least, n), Number.POSITIVE_INFINITY);
  const share = (values: readonly number[]): Estimate => {
    const { value, low, high } = meanOverPrompts(values);
    if (values.length > 1 && (value === 0 || value === 1)) return wilson(value * values.length, values.length);
    return { value, low: Math.max(0, low), high: Math.min(1, high) };
  };
  const single = counts.length > 0 && counts.every(({ n }) => n === 1);
  const average = single
    ? wilson(
        counts.reduce((sum, { c }) => sum + c, 0),
        counts.length,
      )
    : share(counts.map(({ n, c }) => c / n));
  const pass = new Map<number, Estimate>();
  for (let k = 1; k <= fewest && Number.isFinite(fewest); k *= 2) {
    pass.set(k, single ? average : share(counts.map(({ n, c }) => passAtK(n, c, k))));
  }
  return { average, pass, prompts: right.length };
}
