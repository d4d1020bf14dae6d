import type { AdvantageConfig } from "../config/schema/advantage.js";
import type { QuantileTracker } from "./quantile-tracker.js";
import { averageWeights, mvarAdvantage, rangeGradient, type Thresholds, tailGradient } from "./risk.js";
import { clamp, mean, quantile, standardDeviation } from "./statistics.js";

export type RiskConfig = Omit<Extract<AdvantageConfig, { kind: "risk_mvar" }>, "kind" | "then">;

/** What earlier steps say: tracked thresholds (null before the first), and mean weights that serve as baseline. */
export interface RiskHistory {
  thresholds: Thresholds | null;
  baseline: { range: number; tail: number };
}

/** What the tracked quantiles say. */
export function riskHistory(tracker: QuantileTracker, { alpha, beta, measure }: RiskConfig): RiskHistory {
  const { levels, values } = tracker;
  if (values === null) return { thresholds: null, baseline: { range: 0, tail: 0 } };
  const thresholds = { down: tracker.at(alpha)!, up: tracker.at(beta)! };
  const natural = measure.kind === "released" && measure.natural_baseline;
  return { thresholds, baseline: averageWeights(levels, values, thresholds, natural) };
}

/** Deviations up to this count as 1 in shares by the prompt's deviation, as released. */
const LEAST_DEVIATION = 1e-3;
/** Sums of leads up to this are 0, as released. */
const LEAST_LEAD = 1e-6;

/**
 * RiskPO on one bundle of prompts. Sample j is response j of every prompt, its score R_j the sum of their rewards, and the
 * advantage of these responses that of the measure at R_j, shared out by `credit`.
 *
 * @param rewards per prompt, per response
 * @returns scores of the samples, thresholds used, and advantages as `rewards`; NaN beyond the prompt with fewest responses
 */
export function riskBundle(
  rewards: readonly (readonly number[])[],
  config: RiskConfig,
  history: RiskHistory,
): { scores: number[]; thresholds: Thresholds; advantages: Float64Array[] } {
  const samples = Math.min(...rewards.map(({ length }) => length));
  const scores = Array.from({ length: samples }, (_, j) => rewards.reduce((sum, own) => sum + own[j]!, 0));
  const own = { down: quantile(scores, config.alpha), up: quantile(scores, config.beta) };
  const tracked = (config.thresholds === "batch" ? null : history.thresholds) ?? own;
  const between = (a: number, b: number) => (config.thresholds === "mix" ? (a + b) / 2 : b);
  const thresholds = { down: between(own.down, tracked.down), up: between(own.up, tracked.up) };
  const deviation = samples === 1 ? 1 : standardDeviation(scores, "sample");
  const divisor = config.normalize === null ? 1 : Math.max(deviation, config.normalize.floor) + config.epsilon;
  const values = scores.map((score) => riskAdvantage(score, thresholds, config, history.baseline) / divisor);
  const shares = creditShares(rewards, samples, config);
  const advantages = rewards.map((responses, i) =>
    Float64Array.from(responses, (_, j) => (j < samples ? values[j]! * shares[i]![j]! : Number.NaN)),
  );
  return { scores, thresholds, advantages };
}

/** The advantage of a score under the measure of the configuration. */
function riskAdvantage(score: number, q: Thresholds, config: RiskConfig, baseline: RiskHistory["baseline"]): number {
  const { measure, epsilon, alpha, beta } = config;
  if (measure.kind === "paper") return mvarAdvantage(score, q, measure.omega);
  const { natural_baseline, mean_baseline, tail, weight } = measure;
  const base = mean_baseline ? baseline : { range: 0, tail: 0 };
  const offset = (natural_baseline ? 0 : q.up - q.down) - base.range;
  const range = rangeGradient(score, q, config, epsilon) + offset / (beta - alpha + epsilon);
  if (tail === "none") return range;
  const mixed =
    tail === "lower"
      ? tailGradient(score, q, config, epsilon) - base.tail / (alpha + epsilon)
      : Math.max(score - q.up, 0) / (1 - beta + epsilon);
  return (weight * mixed + range) / (weight + 1);
}

/** What part of a sample's advantage each response gets, per prompt and sample. */
function creditShares(rewards: readonly (readonly number[])[], samples: number, config: RiskConfig): number[][] {
  const centers = rewards.map(mean);
  const places = Array.from({ length: samples }, (_, j) => j);
  switch (config.credit) {
    case "uniform":
      return rewards.map(() => places.map(() => 1));
    case "score":
      return rewards.map((own) => places.map((j) => (own[j]! > 0 ? 0.5 : 1.5)));
    case "std":
      return rewards.map((own) => {
        const width = standardDeviation(own, "sample");
        const share = 1 / ((width > LEAST_DEVIATION ? width : 1) + config.epsilon);
        return places.map(() => share);
      });
    case "sum_mean": {
      const limit = config.credit_limit ?? Number.POSITIVE_INFINITY;
      const sums = places.map((j) => rewards.reduce((sum, own, i) => sum + own[j]! - centers[i]!, 0));
      return rewards.map((own, i) =>
        places.map((j) => {
          if (Math.abs(sums[j]!) <= LEAST_LEAD) return 1 / rewards.length;
          return clamp((own[j]! - centers[i]!) / sums[j]!, -limit, limit);
        }),
      );
    }
  }
}
