import type { AdvantageConfig } from "../../config/schema/advantage.js";
import { outcome, spread, trainedGroups } from "../rows.js";
import { mean } from "../statistics.js";
import { stratumKey } from "../stratum-key.js";
import { addMean } from "../tally.js";
import type { AdvantageEstimator, MetricLog, Row } from "../types.js";
import { groupAdvantages } from "./group.js";

export type StratifiedConfig = Omit<Extract<AdvantageConfig, { kind: "stratified" }>, "kind" | "then">;

/**
 * Stratified GRPO (arXiv 2510.06214), with the strata B_k of a group (rows of one {@link stratumKey}):
 *   A_i = alpha (R_i - mean_{B_k} R) / (std_{B_k} R + epsilon) + (1 - alpha) (R_i - mean R) / (std R + epsilon),  i in B_k
 * A stratum of one row, or of equal rewards, has no signal of its own: its first part is 0.
 */
export function stratifiedAdvantages(
  rows: readonly Row[],
  config: StratifiedConfig,
): { group: Float64Array; stratum: Float64Array; blended: Float64Array } {
  const options = { scale: "group", variance_floor: 0, single: "zero", aggregation: "sum_then_normalize" } as const;
  const normalise = (of: readonly Row[]) => groupAdvantages(of, { ...config, ...options, weights: {} }).advantages;
  const ids = new Map<string, number>();
  const strata = rows.map((row) => {
    const name = `${row.group} ${stratumKey(row, config)}`;
    if (!ids.has(name)) ids.set(name, ids.size);
    return { ...row, group: ids.get(name)! };
  });
  // Without epsilon, equal rewards are 0 / 0.
  const zeroed = (values: Float64Array) =>
    values.map((A, i) => (Number.isNaN(A) && !Number.isNaN(outcome(rows[i]!)) && rows[i]!.role === "train" ? 0 : A));
  const [group, stratum] = [zeroed(normalise(rows)), zeroed(normalise(strata))];
  const { alpha } = config;
  return { group, stratum, blended: group.map((A, i) => alpha * stratum[i]! + (1 - alpha) * A) };
}

/** Estimator of {@link stratifiedAdvantages}: every trained action of a row gets the row's advantage. */
export function stratifiedEstimator(config: StratifiedConfig): AdvantageEstimator {
  return {
    needs: {},
    estimate: (rows, log) => {
      const { blended } = stratifiedAdvantages(rows, config);
      for (const members of trainedGroups(rows)) record(rows, blended, members, config, log);
      return spread(rows, blended);
    },
  };
}

/**
 * R - mean as the sum of R less the stratum's mean (`within`) and the cross-stratum bias, the stratum's mean less the
 * group's. `gap` = Var[R - mean] - Var[within] = mean of the squared bias (Proposition 1).
 */
export function stratumDecomposition(
  rewards: readonly number[],
  strata: readonly (number | string)[],
): { group: Float64Array; within: Float64Array; bias: Float64Array; gap: number } {
  const center = mean(rewards);
  const centers = new Map(strata.map((key) => [key, mean(rewards.filter((_, i) => strata[i] === key))]));
  const bias = Float64Array.from(strata, (key) => centers.get(key)! - center);
  return {
    group: Float64Array.from(rewards, (reward) => reward - center),
    within: Float64Array.from(rewards, (reward, i) => reward - centers.get(strata[i]!)!),
    bias,
    gap: mean(bias.map((value) => value ** 2)),
  };
}

function record(
  rows: readonly Row[],
  advantages: Float64Array,
  members: readonly number[],
  config: StratifiedConfig,
  log: MetricLog | undefined,
): void {
  const keys = members.map((i) => stratumKey(rows[i]!, config));
  const rewards = members.map((i) => outcome(rows[i]!));
  const strata = [...new Set(keys)];
  addMean(log, "stratified/strata", strata.length, 1);
  addMean(log, "stratified/bias_var", stratumDecomposition(rewards, keys).gap, 1);
  for (const key of strata) {
    const own = members.filter((_, k) => keys[k] === key);
    const equal = own.every((i) => outcome(rows[i]!) === outcome(rows[own[0]!]!));
    addMean(log, "stratified/singletons", own.length === 1 ? 1 : 0, 1);
    addMean(log, "stratified/zero_std", own.length > 1 && equal ? 1 : 0, 1);
    if (typeof key !== "number") continue;
    addMean(log, "stratified/key", key * own.length, own.length);
    addMean(log, `stratified/rows_${key}`, own.length, 1);
    for (const i of own) {
      addMean(log, `stratified/reward_${key}`, outcome(rows[i]!), 1);
      addMean(log, `stratified/advantage_abs_${key}`, Math.abs(advantages[i]!), 1);
    }
  }
}
