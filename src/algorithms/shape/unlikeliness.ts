import type { ShapeConfig } from "../../config/schema/shape.js";
import { trainedActions, trainedGroups } from "../rows.js";
import { addMean } from "../tally.js";
import type { RewardShaper, Row } from "../types.js";

export type UnlikelinessConfig = Extract<ShapeConfig[number], { kind: "unlikeliness" }>;

/**
 * r_i = R_i (1 - beta (G - rank_i) / G), rank_i = place of row i among its group by log-prob under the old policy, the most
 * probable counted `first` (He et al. 2025, arXiv 2506.02355, section 4; the released code counts from 1).
 */
export function unlikelinessFactor(place: number, size: number, beta: number, first: 0 | 1 = 1): number {
  return 1 - (beta * (size - (place + first))) / size;
}

/** Place of each score when sorted from the largest, counted from 0; of equal scores the later comes first. */
export function placesByProbability(scores: ArrayLike<number>): number[] {
  const order = Array.from(scores, (_, i) => i).sort((a, b) => scores[b]! - scores[a]! || b - a);
  const places = new Array<number>(order.length);
  order.forEach((i, place) => {
    places[i] = place;
  });
  return places;
}

/** Log-prob of a row under the old policy: the mean over its trained actions, or the sum. */
export function oldLogprob(row: Row, reduction: "mean" | "sum"): number {
  if (row.old === undefined) throw new Error("the unlikeliness reward needs old log-probs");
  let sum = 0;
  for (let t = 0; t < row.length; t++) if (row.mask[t] === 1) sum += row.old[t]!;
  return reduction === "sum" ? sum : sum / Math.max(trainedActions(row), 1);
}

/** Multiplies rewards by {@link unlikelinessFactor}: within a group, the more probable a sample the smaller its factor. */
export function unlikelinessShaper({ beta, logprob, first_place }: UnlikelinessConfig): RewardShaper {
  return {
    needs: { old: true },
    shape: (rows, log) => {
      for (const members of trainedGroups(rows)) {
        const places = placesByProbability(members.map((i) => oldLogprob(rows[i]!, logprob)));
        members.forEach((i, k) => {
          const row = rows[i]!;
          if (row.reward > 0) addMean(log, "unlikeliness/place_rewarded", places[k]!, 1);
          row.reward *= unlikelinessFactor(places[k]!, members.length, beta, first_place === 0 ? 0 : 1);
          if (!Number.isNaN(row.reward)) addMean(log, "unlikeliness/reward", row.reward, 1);
        });
      }
    },
  };
}

/**
 * Uplift rate: of the right samples that were k-th most probable in their group, the share whose log-prob rose.
 *
 * @param before log-probs per group before training, `after` the same samples after
 * @returns one rate per place; 0 where no right sample had it
 */
export function upliftRates(before: number[][], after: number[][], correct: number[][]): number[] {
  const rose: number[] = [];
  const seen: number[] = [];
  before.forEach((scores, g) => {
    placesByProbability(scores).forEach((place, i) => {
      rose[place] ??= 0;
      seen[place] ??= 0;
      if (correct[g]![i] !== 1) return;
      seen[place]! += 1;
      if (after[g]![i]! > scores[i]!) rose[place]! += 1;
    });
  });
  return rose.map((count, place) => count / Math.max(seen[place]!, 1));
}
