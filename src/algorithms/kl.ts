import type { KlConfig } from "../config/schema/objective.js";
import { clamp } from "./statistics.js";

export type KlEstimator = KlConfig["estimator"];

/** Bound on the log-ratio where k3 itself is bounded, as in verl. */
const LOG_RATIO_LIMIT = 20;

export interface KlValue {
  value: number;
  /** Derivative of the term with respect to logp, when the term is used as a loss. */
  slope: number;
}

/**
 * Estimates of KL(pi || ref) from one action sampled from pi, d = logp - reference (Schulman, "Approximating KL
 * divergence", 2020):
 *   k1 = d,  abs = |d|,  k2 = d^2 / 2,  k3 = exp(-d) + d - 1
 * k1+ and k3+ have the value of k1 and k3 and the gradient of k2, which is that of the reverse KL.
 *
 * @param limit bounds k3 to +-limit after bounding d to +-20, with no gradient beyond; null bounds nothing
 */
export function klEstimate(estimator: KlEstimator, d: number, limit: number | null = null): KlValue {
  switch (estimator) {
    case "k1":
      return { value: d, slope: 1 };
    case "abs":
      return { value: Math.abs(d), slope: Math.sign(d) };
    case "k2":
      return { value: (d * d) / 2, slope: d };
    case "k3":
      return k3(d, limit);
    case "k1+":
      return { value: d, slope: d };
    case "k3+":
      return { value: k3(d, limit).value, slope: d };
  }
}

function k3(d: number, limit: number | null): KlValue {
  if (limit === null) return { value: Math.exp(-d) + d - 1, slope: 1 - Math.exp(-d) };
  const bounded = clamp(d, -LOG_RATIO_LIMIT, LOG_RATIO_LIMIT);
  const value = Math.exp(-bounded) + bounded - 1;
  const inside = bounded === d && Math.abs(value) <= limit;
  return { value: clamp(value, -limit, limit), slope: inside ? 1 - Math.exp(-d) : 0 };
}
