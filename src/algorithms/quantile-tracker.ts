/** Rounds each result; `Math.fround` follows code that tracks in float32, where ties with whole rewards fall otherwise. */
export type Rounding = (value: number) => number;

const exact: Rounding = (value) => value;

/**
 * Quantiles of a stream of scores, followed by stochastic approximation: from the interpolated quantiles of the first batch on,
 *   q_s += rate (s - share of the batch below q_s)
 * (RiskPO, online quantile tracking).
 */
export class QuantileTracker {
  constructor(
    readonly levels: readonly number[],
    private readonly rate: number,
    /** Quantile of each level; null before the first batch. */
    public values: readonly number[] | null = null,
    private readonly round: Rounding = exact,
  ) {}

  /** Quantile of the level nearest to `level`; null before the first batch. */
  at(level: number): number | null {
    const distances = this.levels.map((own) => Math.abs(own - level));
    return this.values?.[distances.indexOf(Math.min(...distances))] ?? null;
  }

  /** Takes in a batch; an empty one changes nothing. */
  update(scores: readonly number[]): void {
    if (scores.length === 0) return;
    const { round } = this;
    const sorted = [...scores].sort((a, b) => a - b);
    this.values = this.levels.map((level, i) => {
      const q = this.values?.[i];
      if (q === undefined) return this.#interpolate(sorted, level);
      const below = round(scores.filter((score) => score < q).length / scores.length);
      return round(q + round(round(this.rate) * round(round(level) - below)));
    });
  }

  #interpolate(sorted: readonly number[], level: number): number {
    const { round } = this;
    const position = round(round(level) * (sorted.length - 1));
    const [low, high] = [sorted[Math.floor(position)]!, sorted[Math.ceil(position)]!];
    const weight = round(position - Math.floor(position));
    const gap = round(high - low);
    return weight < 0.5 ? round(low + round(weight * gap)) : round(high - round(gap * round(1 - weight)));
  }
}
