import { actionRewards } from "../rows.js";
import { mean, standardDeviation } from "../statistics.js";
import { addMean } from "../tally.js";
import type { AdvantageEstimator, MetricLog, Row } from "../types.js";
import { whiten } from "./whiten.js";

export interface GaeOptions {
  gamma: number;
  lambda: number;
}

/**
 * Generalised advantage estimation of one row, from its rewards and `row.value`:
 *   delta_t = r_t + gamma V_{t+1} - V_t,  A_t = delta_t + gamma lambda A_{t+1},  returns = A + V
 * (Schulman et al. 2015, arXiv 1506.02438, eq. 16). Actions that are not trained carry V and A on.
 */
export function gae(row: Row, { gamma, lambda }: GaeOptions): { advantages: Float64Array; returns: Float64Array } {
  const values = row.value;
  if (values === undefined) throw new Error("gae: the row has no values");
  const rewards = actionRewards(row);
  const advantages = new Float64Array(row.length);
  const returns = new Float64Array(row.length);
  let nextValue = 0;
  let running = 0;
  for (let t = row.length - 1; t >= 0; t--) {
    if (row.mask[t] === 1) {
      running = rewards[t]! + gamma * nextValue - values[t]! + gamma * lambda * running;
      nextValue = values[t]!;
    }
    advantages[t] = running;
    returns[t] = running + values[t]!;
  }
  return { advantages, returns };
}

/** PPO's estimator: {@link gae}, whitened over the batch. Writes `row.returns`, the targets of the value head. */
export function gaeEstimator(options: GaeOptions): AdvantageEstimator {
  return {
    needs: { value: true },
    estimate: (rows, log) => {
      const estimates = rows.map((row) => gae(row, options));
      rows.forEach((row, i) => {
        row.returns = estimates[i]!.returns;
      });
      record(rows, log);
      return whiten(
        rows,
        estimates.map(({ advantages }) => advantages),
      );
    },
  };
}

/** How much of the returns' variance the values foretell: 1 all, 0 no more than their mean. */
function record(rows: readonly Row[], log: MetricLog | undefined): void {
  const trained = rows.filter(({ role }) => role === "train");
  const ofActions = (values: (row: Row) => Float64Array) =>
    trained.flatMap((row) => Array.from(values(row)).filter((_, t) => row.mask[t] === 1));
  const returns = ofActions((row) => row.returns!);
  const values = ofActions((row) => row.value!);
  const variance = (numbers: number[]) => standardDeviation(numbers, "population") ** 2;
  const spread = variance(returns);
  addMean(log, "value/mean", mean(values), 1);
  addMean(log, "value/returns_mean", mean(returns), 1);
  const left = variance(returns.map((value, t) => value - values[t]!));
  if (spread > 0) addMean(log, "value/explained_variance", 1 - left / spread, 1);
}
