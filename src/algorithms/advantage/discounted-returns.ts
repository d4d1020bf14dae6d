import { actionRewards, outcome } from "../rows.js";
import type { AdvantageEstimator, Row } from "../types.js";
import { onTrained, whiten } from "./whiten.js";

/** G_t = r_t + gamma G_{t+1} over the trained actions of a row; actions that are not trained carry it on, and get 0. */
export function discountedReturns(row: Row, gamma: number): Float64Array {
  const rewards = actionRewards(row);
  const returns = new Float64Array(row.length);
  let running = 0;
  for (let t = row.length - 1; t >= 0; t--) {
    if (row.mask[t] !== 1) continue;
    running = rewards[t]! + gamma * running;
    returns[t] = running;
  }
  return returns;
}

/** REINFORCE++: discounted returns whitened over the trained actions of the batch (Hu 2025, arXiv 2501.03262, eq. 8). */
export function reinforcePlusPlusEstimator({ gamma }: { gamma: number }): AdvantageEstimator {
  return {
    needs: {},
    estimate: (rows) => {
      const returns = rows.map((row) => discountedReturns(row, gamma));
      return onTrained(rows, whiten(rows, returns));
    },
  };
}

/**
 * ReMax: A_t = sum_{s >= t} r_s - b, b = reward of the group's greedy response, its episode with role `baseline`
 * (Li et al. 2023, arXiv 2310.10505, eq. 7). A group without such an episode gives NaN.
 */
export function remaxEstimator(): AdvantageEstimator {
  return {
    needs: { greedyBaseline: true },
    estimate: (rows) => {
      const baselines = new Map<number, number>();
      for (const row of rows) if (row.role === "baseline") baselines.set(row.group, outcome(row));
      return rows.map((row) => {
        const baseline = baselines.get(row.group) ?? Number.NaN;
        return discountedReturns(row, 1).map((value, t) => (row.mask[t] === 1 ? value - baseline : 0));
      });
    },
  };
}
