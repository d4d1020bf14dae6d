import { type KlEstimator, klEstimate } from "./kl.js";

/**
 * What an estimator of KL(policy || reference) gives in expectation over the policy's own samples: its mean, and the mean
 * gradient with respect to the policy's logits when the sampled term is used as a loss (the sampling itself held fixed).
 * `corrected` multiplies the term by the differentiable ratio pi / stop(pi). Shows an estimator's bias exactly; a formula to choose an
 * estimator by, which no run computes.
 */
export function klExpectation(
  policyLogits: Float64Array,
  referenceLogits: Float64Array,
  estimator: KlEstimator,
  corrected = false,
): { value: number; gradient: Float64Array } {
  const logp = logSoftmax(policyLogits);
  const reference = logSoftmax(referenceLogits);
  const p = logp.map(Math.exp);
  let value = 0;
  const gradient = new Float64Array(p.length);
  for (let a = 0; a < p.length; a++) {
    const term = klEstimate(estimator, logp[a]! - reference[a]!);
    const slope = corrected ? term.slope + term.value : term.slope;
    value += p[a]! * term.value;
    // d logp_a / d logit_j = [a = j] - p_j
    for (let j = 0; j < p.length; j++) gradient[j]! += p[a]! * slope * ((a === j ? 1 : 0) - p[j]!);
  }
  return { value, gradient };
}

/** KL(policy || reference) of two categorical distributions, and its gradient with respect to the policy's logits. */
export function categoricalKl(
  policyLogits: Float64Array,
  referenceLogits: Float64Array,
): { value: number; gradient: Float64Array } {
  const logp = logSoftmax(policyLogits);
  const reference = logSoftmax(referenceLogits);
  let value = 0;
  for (let a = 0; a < logp.length; a++) value += Math.exp(logp[a]!) * (logp[a]! - reference[a]!);
  const gradient = logp.map((lp, a) => Math.exp(lp) * (lp - reference[a]! - value));
  return { value, gradient };
}

function logSoftmax(logits: Float64Array): Float64Array {
  const max = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const norm = max + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - max), 0));
  return logits.map((logit) => logit - norm);
}
