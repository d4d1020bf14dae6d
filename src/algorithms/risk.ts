import { mean } from "./statistics.js";

/** Quantiles q_alpha and q_beta of the scores. */
export interface Thresholds {
  down: number;
  up: number;
}

/** Levels 0 < alpha < beta < 1. */
export interface Levels {
  alpha: number;
  beta: number;
}

const positive = (x: number) => Math.max(x, 0);

/** g(R, a, b) = (R - a)^+ - (R - b)^+ + a - b, within [a - b, 0]. */
export function rangeWeight(score: number, { down, up }: Thresholds): number {
  return positive(score - down) - positive(score - up) + down - up;
}

/** -(q_alpha - R)^+ */
export function tailWeight(score: number, { down }: Thresholds): number {
  return -positive(down - score) + 0;
}

/** Weight of grad log pi in the gradient of RVaR = E[R | q_alpha <= R <= q_beta]: g / (beta - alpha). */
export function rangeGradient(score: number, q: Thresholds, { alpha, beta }: Levels, epsilon = 0): number {
  return rangeWeight(score, q) / (beta - alpha + epsilon);
}

/** Weight of grad log pi in the gradient of CVaR = E[R | R <= q_alpha]: -(q_alpha - R)^+ / alpha. */
export function tailGradient(score: number, q: Thresholds, { alpha }: Levels, epsilon = 0): number {
  return tailWeight(score, q) / (alpha + epsilon);
}

/**
 * Advantage under MVaR = (1 + omega) int_0^alpha r dF + int_alpha^beta r dF: g(R, q_alpha, q_beta) - (1 + omega) (q_alpha - R)^+
 * (RiskPO; from its gradients of RVaR and CVaR). Never positive, 0 from q_beta on.
 */
export function mvarAdvantage(score: number, q: Thresholds, omega: number): number {
  return rangeWeight(score, q) + (1 + omega) * tailWeight(score, q);
}

/** Integrals over the levels, by trapezoids, of the two weights at the quantiles: baselines of the released estimator. */
export function averageWeights(
  levels: readonly number[],
  quantiles: readonly number[],
  q: Thresholds,
  natural: boolean,
): { range: number; tail: number } {
  const offset = natural ? 0 : q.up - q.down;
  return {
    range: trapezoid(
      levels,
      quantiles.map((value) => rangeWeight(value, q) + offset),
    ),
    tail: trapezoid(
      levels,
      quantiles.map((value) => tailWeight(value, q)),
    ),
  };
}

function trapezoid(x: readonly number[], y: readonly number[]): number {
  let area = 0;
  for (let i = 1; i < x.length; i++) area += ((y[i]! + y[i - 1]!) / 2) * (x[i]! - x[i - 1]!);
  return area;
}

/**
 * Means of the scores within the thresholds, and up to the lower one (of all scores where there are none), and MVaR with
 * `weight` on the latter, as a mean: (weight cvar + rvar) / (weight + 1).
 */
export function riskOf(scores: readonly number[], { down, up }: Thresholds, weight: number): Record<Risk, number> {
  const average = (within: readonly number[]) => mean(within.length === 0 ? scores : within);
  const rvar = average(scores.filter((score) => score >= down && score <= up));
  const cvar = average(scores.filter((score) => score <= down));
  return { rvar, cvar, mvar: (weight * cvar + rvar) / (weight + 1) };
}

type Risk = "rvar" | "cvar" | "mvar";
