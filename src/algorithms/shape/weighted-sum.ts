import type { ShapeConfig } from "../../config/schema/shape.js";
import type { AdvantageContext } from "../advantage/registry.js";
import { trainedGroups } from "../rows.js";
import { mean, standardDeviation } from "../statistics.js";
import { addMean } from "../tally.js";
import type { MetricLog, RewardShaper, Row } from "../types.js";

type WeightedSumConfig = Omit<Extract<ShapeConfig[number], { kind: "weighted_sum" }>, "kind">;

/** Weights over their sum. */
export function normalizeWeights(weights: Readonly<Record<string, number>>): Record<string, number> {
  const sum = Object.values(weights).reduce((a, b) => a + b, 0);
  return Object.fromEntries(Object.entries(weights).map(([name, weight]) => [name, weight / sum]));
}

/**
 * Multi-objective GRPO (arXiv 2503.21819): R_i = sum_k w_k s_ik with weights that sum to 1, in place of the total reward. A
 * missing score counts as the least of its group. With `gate`, rows whose score k is below `min` get s_ik - 1 instead.
 */
export function weightedSumShaper(config: WeightedSumConfig, context: AdvantageContext): RewardShaper {
  const weights = normalizeWeights(config.weights ?? context.weights);
  return {
    needs: {},
    shape: (rows, log) => {
      for (const members of trainedGroups(rows)) {
        const group = members.map((i) => rows[i]!);
        const scores = Object.fromEntries(Object.keys(weights).map((name) => [name, groupScores(group, name, log)]));
        group.forEach((row, k) => {
          row.reward = Object.entries(weights).reduce((sum, [name, weight]) => sum + weight * scores[name]![k]!, 0);
          const gated = config.gate === null ? Number.NaN : scores[config.gate.component]![k]!;
          if (config.gate !== null && gated < config.gate.min) row.reward = gated - 1;
        });
        record(log, scores, weights);
      }
    },
  };
}

/** A component over a group, what is missing filled with the group's least. */
function groupScores(group: readonly Row[], name: string, log: MetricLog | undefined): number[] {
  const scores = group.map((row) => row.components[name]?.values[0] ?? Number.NaN);
  const finite = scores.filter(Number.isFinite);
  addMean(log, "objectives/missing", scores.length - finite.length, scores.length);
  return scores.map((score) => (Number.isFinite(score) ? score : Math.min(...finite)));
}

/** With division by the group's deviation, what counts of a component is its weight times its own deviation. */
function record(log: MetricLog | undefined, scores: Record<string, number[]>, weights: Record<string, number>): void {
  const names = Object.keys(scores);
  const deviation = (name: string) => standardDeviation(scores[name]!, "sample");
  names.forEach((name, i) => {
    const std = deviation(name);
    addMean(log, `objectives/${name}/std`, std, 1);
    addMean(log, `objectives/${name}/effective_weight`, weights[name]! * std, 1);
    addMean(log, `objectives/${name}/zero_std`, std === 0 ? 1 : 0, 1);
    for (const other of names.slice(i + 1)) {
      const center = [mean(scores[name]!), mean(scores[other]!)] as const;
      const products = scores[name]!.map((value, k) => (value - center[0]) * (scores[other]![k]! - center[1]));
      const covariance = products.reduce((a, b) => a + b, 0) / (products.length - 1);
      const correlation = covariance / (std * deviation(other));
      if (Number.isFinite(correlation)) addMean(log, `objectives/${name}-${other}/correlation`, correlation, 1);
    }
  });
}
