import { placesByProbability } from "./probability-places.js";

/** A right sample of a group: its place by probability (0 the most probable), and whether training made it more probable. */
export interface Uplift {
  place: number;
  rose: boolean;
}

/**
 * What became of the right samples of a group.
 *
 * @param before log-prob of each sample before training, `after` the same samples after
 */
export function groupUplift(before: readonly number[], after: readonly number[], right: readonly boolean[]): Uplift[] {
  const places = placesByProbability(before);
  return places.flatMap((place, i) => (right[i] ? [{ place, rose: after[i]! > before[i]! }] : []));
}

/**
 * Uplift rate of each place: the share of the right samples there whose log-prob rose; 0 where no right sample had it. The metrics
 * of a run count by quarters of the places, which groups of any size share.
 */
export function upliftRates(uplifts: readonly Uplift[], places: number): number[] {
  return Array.from({ length: places }, (_, place) => {
    const there = uplifts.filter((uplift) => uplift.place === place);
    return there.filter(({ rose }) => rose).length / Math.max(there.length, 1);
  });
}
