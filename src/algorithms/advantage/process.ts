import { trainedGroups } from "../rows.js";
import { type Deviation, mean, standardDeviation } from "../statistics.js";
import type { AdvantageEstimator, Row } from "../types.js";

export interface ProcessOptions {
  std: Deviation;
  epsilon: number;
}

/**
 * Process supervision: the rewards of all steps of all responses of a group are z-scored together, and
 * A_{i,t} = sum of the normalised rewards of the steps that end at t or later (DeepSeekMath, arXiv 2402.03300, section
 * 4.1.3). Actions after the last step get 0. Steps without a reward are left out.
 */
export function processEstimator({ std, epsilon }: ProcessOptions): AdvantageEstimator {
  return {
    needs: {},
    estimate: (rows) => {
      const advantages = rows.map((row) => new Float64Array(row.length));
      for (const members of trainedGroups(rows)) {
        const rewards = members.flatMap((i) => stepRewards(rows[i]!));
        const center = mean(rewards);
        const width = standardDeviation(rewards, std);
        for (const i of members) addSteps(rows[i]!, advantages[i]!, (reward) => (reward - center) / (width + epsilon));
      }
      return advantages;
    },
  };
}

function stepRewards(row: Row): number[] {
  return row.steps.flatMap(({ reward }) => (reward === undefined ? [] : [reward]));
}

function addSteps(row: Row, advantages: Float64Array, normalise: (reward: number) => number): void {
  for (const { end, reward } of row.steps) {
    if (reward === undefined) continue;
    const value = normalise(reward);
    for (let t = 0; t < end; t++) if (row.mask[t] === 1) advantages[t]! += value;
  }
}
