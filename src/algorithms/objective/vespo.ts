import type { ObjectiveConfig } from "../../config/schema/objective.js";
import { clamp } from "../statistics.js";
import { addMean } from "../tally.js";
import type { PolicyRule } from "./rule.js";

type VespoConfig = Pick<
  Extract<ObjectiveConfig, { kind: "vespo" }>,
  "k_positive" | "lambda_positive" | "k_negative" | "lambda_negative"
>;

const LOG_MIN = Math.log(1e-8);
const LOG_MAX = 20;
const LAMBDA_MIN = 1e-4;

/**
 * VESPO: l = -stop(phi(W)) A logp, phi(W) = exp(lambda + k ln W - lambda W), W = the ratio of the whole response,
 * rollout-correction weights included; (k, lambda) by the sign of A (arXiv 2602.10693, as in TRL 1.13).
 */
export function vespoRule(config: VespoConfig): PolicyRule {
  const phi = (logW: number, A: number) => {
    const k = A >= 0 ? config.k_positive : config.k_negative;
    const lambda = Math.max(A >= 0 ? config.lambda_positive : config.lambda_negative, LAMBDA_MIN);
    const value = Math.exp(lambda + k * logW - lambda * Math.exp(logW));
    return Number.isFinite(value) ? value : 0;
  };
  return {
    usesWeight: true,
    clips: null,
    evaluate({ mask, logp, old, advantage, weight }, out, tally) {
      let logW = 0;
      for (let t = 0; t < mask.length; t++) {
        if (mask[t] !== 1) continue;
        logW += clamp(logp[t]! - old[t]!, -LOG_MAX, LOG_MAX);
        if (weight !== null) logW += clamp(Math.log(weight[t]!), LOG_MIN, LOG_MAX);
      }
      logW = clamp(logW, LOG_MIN, LOG_MAX);
      let first = -1;
      for (let t = 0; t < mask.length; t++) {
        if (mask[t] !== 1) continue;
        if (first < 0) first = t;
        const slope = -phi(logW, advantage[t]!) * advantage[t]!;
        out.loss[t] = slope * logp[t]!;
        out.dlogp[t] = slope;
      }
      addMean(tally, "vespo/phi", phi(logW, first < 0 ? 0 : advantage[first]!), 1);
    },
  };
}
