import { Purpose, permutation } from "../data/random.js";

/** One comparison: two names, and the score of the first, 1 for a win, 0.5 for a tie, 0 for a loss. */
export type Match = readonly [first: string, second: string, score: number];

export interface EloOptions {
  /** Most points that one match moves; 32 is customary. */
  k: number;
  /** Rating before the first match; 1500 is customary. */
  initial: number;
}

/**
 * Elo ratings after matches in order: R_a += k (s - E_a), E_a = 1 / (1 + 10^((R_b - R_a) / 400)). Names are in the order of their
 * first match. Source: Elo 1978, "The Rating of Chessplayers, Past and Present", 1.6 and 8.4.
 */
export function eloRatings(matches: readonly Match[], { k, initial }: EloOptions): Record<string, number> {
  const ratings = new Map<string, number>();
  for (const [first, second, score] of matches) {
    const a = ratings.get(first) ?? initial;
    const b = ratings.get(second) ?? initial;
    const gain = k * (score - 1 / (1 + 10 ** ((b - a) / 400)));
    ratings.set(first, a + gain);
    ratings.set(second, b - gain);
  }
  return Object.fromEntries(ratings);
}

/** Means of {@link eloRatings} over shuffles of the matches, so that the result does not hang on their order. */
export function averagedEloRatings(
  matches: readonly Match[],
  options: EloOptions,
  { shuffles, seed }: { shuffles: number; seed: number },
): Record<string, number> {
  const sums = new Map<string, number>();
  for (let i = 0; i < shuffles; i++) {
    const order = Array.from(permutation(matches.length, seed, Purpose.shuffle, i), (match) => matches[match]!);
    for (const [name, rating] of Object.entries(eloRatings(order, options))) {
      sums.set(name, (sums.get(name) ?? 0) + rating / shuffles);
    }
  }
  return Object.fromEntries(sums);
}
