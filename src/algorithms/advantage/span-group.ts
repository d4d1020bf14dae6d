import type { AdvantageConfig } from "../../config/schema/advantage.js";
import { endAction, spansOf, trainedGroups } from "../rows.js";
import { mean, standardDeviation } from "../statistics.js";
import { addMean } from "../tally.js";
import type { AdvantageEstimator, MetricLog, Row } from "../types.js";

export type SpanGroupConfig = Extract<AdvantageConfig, { kind: "span_group" }>;

/**
 * Rewards of each span position of a row: the weighted sum of its components per span; NaN at every position where none
 * applies. Positions past the end of a component have reward 0.
 */
export function spanRewards(row: Row, weights: Readonly<Record<string, number>>, positions: number): Float64Array {
  const applying = Object.entries(weights).flatMap(([name, weight]) => {
    const component = row.components[name];
    return component?.unit === "span" ? [{ weight, values: component.values }] : [];
  });
  const total = new Float64Array(positions).fill(applying.length === 0 ? Number.NaN : 0);
  for (const { weight, values } of applying) {
    for (let k = 0; k < Math.min(values.length, positions); k++) total[k]! += weight * values[k]!;
  }
  return total;
}

/**
 * Rank advantages (Rank-GRPO, arXiv 2510.20150, eq. 8): at each span position k, over the rows of a group,
 *   A_ik = (r_ik - mean_i r_ik) / (std_i r_ik + epsilon), or without the division.
 *
 * @returns per row one value per position
 */
export function spanAdvantages(
  rows: readonly Row[],
  config: SpanGroupConfig,
  weights: Readonly<Record<string, number>>,
  log?: MetricLog,
): Float64Array[] {
  const rewards = rows.map((row) => spanRewards(row, weights, config.positions));
  recordPositions(rewards, config, log);
  const advantages = rewards.map((values) => new Float64Array(values.length).fill(Number.NaN));
  for (const members of trainedGroups(rows)) {
    for (let k = 0; k < config.positions; k++) {
      const column = members.map((i) => rewards[i]![k]!);
      const center = mean(column);
      const width = config.scale === "none" ? 1 : standardDeviation(column, config.std) + config.epsilon;
      members.forEach((i, j) => {
        advantages[i]![k] = (column[j]! - center) / width;
      });
    }
  }
  return advantages;
}

/** Mean and deviation of the rewards at each position over the step. */
function recordPositions(rewards: readonly Float64Array[], { span, positions }: SpanGroupConfig, log?: MetricLog) {
  for (let k = 0; k < positions; k++) {
    const column = rewards.map((values) => values[k]!).filter((value) => !Number.isNaN(value));
    if (column.length === 0) continue;
    addMean(log, `${span}/reward_${k + 1}`, mean(column), 1);
    if (column.length > 1) addMean(log, `${span}/reward_std_${k + 1}`, standardDeviation(column, "sample"), 1);
  }
}

/** Estimator of {@link spanAdvantages}: actions of a span get its advantage; other actions, and the end of a row, get 0. */
export function spanGroupEstimator(
  config: SpanGroupConfig,
  { weights }: { weights: Readonly<Record<string, number>> },
): AdvantageEstimator {
  return {
    needs: {},
    estimate: (rows, log) => {
      const perSpan = spanAdvantages(rows, config, weights, log);
      return rows.map((row, i) => {
        const ids = spansOf(row, config.span);
        const end = endAction(row);
        return Float64Array.from(ids, (id, t) =>
          row.mask[t] === 1 && t !== end && id >= 0 && id < config.positions ? perSpan[i]![id]! : 0,
        );
      });
    },
  };
}
