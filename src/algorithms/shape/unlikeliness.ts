import type { ShapeConfig } from "../../config/schema/shape.js";
import { maskedSum } from "../objective/aggregation.js";
import { placesByProbability } from "../probability-places.js";
import { trainedActions, trainedGroups } from "../rows.js";
import { SeenSolutions } from "../seen-solutions.js";
import { addMean } from "../tally.js";
import type { RewardShaper, Row, StatefulComponent } from "../types.js";
import { groupUplift } from "../uplift.js";

export type UnlikelinessConfig = Extract<ShapeConfig[number], { kind: "unlikeliness" }>;

/**
 * r_i = R_i (1 - beta (G - rank_i) / G), rank_i = place of row i among its group by log-prob under the old policy, the most
 * probable counted `first` (He et al. 2025, arXiv 2506.02355, section 4; the released code counts from 1).
 */
export function unlikelinessFactor(place: number, size: number, beta: number, first: 0 | 1 = 1): number {
  return 1 - (beta * (size - (place + first))) / size;
}

/** Log-prob of a row under the old policy: the mean over its trained actions, or the sum. */
export function oldLogprob(row: Row, reduction: "mean" | "sum"): number {
  if (row.old === undefined) throw new Error("the unlikeliness reward needs old log-probs");
  return rowLogprob(row, row.old, reduction);
}

function rowLogprob(row: Row, logp: Float64Array, reduction: "mean" | "sum"): number {
  const sum = maskedSum(logp, row.mask);
  return reduction === "sum" ? sum : sum / Math.max(trainedActions(row), 1);
}

/**
 * Multiplies rewards by {@link unlikelinessFactor}: within a group, the more probable a sample the smaller its factor. With
 * `uplift`, one more pass after the update records which of the rewarded samples have become more probable, by quarter of the
 * places.
 */
export function unlikelinessShaper(config: UnlikelinessConfig): RewardShaper & StatefulComponent {
  const { beta, logprob, first_place, uplift } = config;
  const seen = new SeenSolutions();
  let rewarded = new Set<Row>();
  return {
    stateName: "unlikeliness",
    saveState: () => seen.saveState(),
    loadState: (state) => seen.loadState(state),
    needs: { old: true, ...(uplift && { updated: true }) },
    shape: (rows, log) => {
      rewarded = new Set(rows.filter(({ reward }) => reward > 0));
      for (const members of trainedGroups(rows)) {
        const places = placesByProbability(members.map((i) => oldLogprob(rows[i]!, logprob)));
        members.forEach((i, k) => {
          const row = rows[i]!;
          if (row.reward > 0) {
            addMean(log, "unlikeliness/place_rewarded", places[k]!, 1);
            seen.add(row.record, row.text);
          }
          row.reward *= unlikelinessFactor(places[k]!, members.length, beta, first_place === 0 ? 0 : 1);
          if (!Number.isNaN(row.reward)) addMean(log, "unlikeliness/reward", row.reward, 1);
        });
      }
      addMean(log, "unlikeliness/solutions", seen.count, 1);
    },
    ...(uplift && {
      review: (rows, log) => {
        for (const members of trainedGroups(rows)) {
          const group = members.map((i) => rows[i]!);
          const before = group.map((row) => oldLogprob(row, logprob));
          const after = group.map((row) => rowLogprob(row, row.updated!, logprob));
          const right = group.map((row) => rewarded.has(row));
          for (const { place, rose } of groupUplift(before, after, right)) {
            const quarter = 1 + Math.floor((4 * place) / group.length);
            addMean(log, `unlikeliness/uplift_${quarter}`, rose ? 1 : 0, 1);
          }
        }
      },
    }),
  };
}
