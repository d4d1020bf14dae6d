import type { AdvantageTransformConfig } from "../../config/schema/advantage.js";
import { trainedActions, trainedGroups } from "../rows.js";
import { correlation, mean } from "../statistics.js";
import { addMax, addMean, addMin, addValue } from "../tally.js";
import type { AdvantageTransform, Row } from "../types.js";

export type SemanticEntropyConfig = Extract<AdvantageTransformConfig, { kind: "semantic_entropy" }>;

/** Cluster of each answer: equal strings (white space at the ends aside) share one; missing answers, each alone, come last. */
export function clusterAnswers(answers: readonly (string | null)[]): number[] {
  const keys = answers.map((answer) => answer?.trim());
  const known = [...new Set(keys.filter((key) => key !== undefined))];
  let count = known.length;
  return keys.map((key) => (key === undefined ? count++ : known.indexOf(key)));
}

/**
 * Entropy of the meanings of a group's answers (SEED-GRPO, arXiv 2505.12346, eq. 4 and 5), p_k = mass of cluster k:
 *   rao -sum_k p_k ln p_k,  mc -(1/K) sum_k ln p_k,  discrete: rao with the share of samples as mass.
 *
 * @param scores log-prob of each response
 * @throws Error when a score is not finite
 */
export function semanticEntropy(clusters: readonly number[], scores: readonly number[]) {
  if (scores.some((score) => !Number.isFinite(score))) throw new Error("semantic entropy needs finite log-probs");
  const count = Math.max(...clusters) + 1;
  const top = Math.max(...scores);
  const mass = new Float64Array(count);
  const samples = new Float64Array(count);
  clusters.forEach((k, i) => {
    mass[k]! += Math.exp(scores[i]! - top);
    samples[k]! += 1;
  });
  const total = mass.reduce((sum, value) => sum + value, 0);
  const probabilities = mass.map((value) => value / total);
  const plogp = (p: number) => (p === 0 ? 0 : -p * Math.log(p));
  return {
    probabilities,
    rao: probabilities.reduce((sum, p) => sum + plogp(p), 0),
    mc: -probabilities.reduce((sum, p) => sum + Math.log(p), 0) / count,
    discrete: samples.reduce((sum, n) => sum + plogp(n / clusters.length), 0),
  };
}

/**
 * Factor f(x) of a group's advantages, x = alpha entropy / ln G: linear 1 - x, exp exp(-x), focal (1 - x)^gamma,
 * inverse 1 / (1 + x); never below 0. 1 for a group of one.
 */
export function entropyFactor(
  entropy: number,
  size: number,
  { alpha, form, gamma }: Pick<SemanticEntropyConfig, "alpha" | "form" | "gamma">,
): number {
  const x = size < 2 ? 0 : (alpha * entropy) / Math.log(size);
  const left = Math.max(1 - x, 0);
  return { linear: left, exp: Math.exp(-x), focal: left ** gamma, inverse: 1 / (1 + x) }[form];
}

/** SEED-GRPO: scales the advantages of each group by {@link entropyFactor} of its {@link semanticEntropy}. */
export function semanticEntropyTransform(config: SemanticEntropyConfig): AdvantageTransform {
  return {
    needs: { rollout: true, answer: true },
    apply: (rows, advantages, log) => {
      const scaled = [...advantages];
      const seen: { entropy: number[]; reward: number[] } = { entropy: [], reward: [] };
      for (const members of trainedGroups(rows)) {
        const answers = members.map((i) => rows[i]!.answer ?? null);
        const clusters = clusterAnswers(answers);
        const scores = members.map((i) => responseScore(rows[i]!, config.length_norm));
        const entropy = semanticEntropy(clusters, scores)[config.entropy];
        const factor = entropyFactor(entropy, members.length, config);
        for (const i of members) scaled[i] = advantages[i]!.map((value) => value * factor);
        addMean(log, "semantic_entropy/mean", entropy, 1);
        addMin(log, "semantic_entropy/min", entropy);
        addMax(log, "semantic_entropy/max", entropy);
        addMean(log, "semantic_entropy/factor", factor, 1);
        addMean(log, "semantic_entropy/clusters", Math.max(...clusters) + 1, 1);
        addMean(log, "semantic_entropy/no_answer", answers.filter((answer) => answer === null).length, members.length);
        if (members.length > 1) addValue(log, "semantic_entropy/relative", entropy / Math.log(members.length));
        seen.entropy.push(entropy);
        seen.reward.push(mean(members.map((i) => rows[i]!.reward)));
      }
      const together = correlation(seen.entropy, seen.reward);
      if (Number.isFinite(together)) addMean(log, "semantic_entropy/reward_correlation", together, 1);
      return scaled;
    },
  };
}

/** Log-prob of a response under the sampling policy: mean over its trained actions, or sum. */
function responseScore(row: Row, lengthNorm: boolean): number {
  const { rollout, mask } = row;
  if (rollout === undefined) throw new Error("semantic entropy needs the log-probs of sampling");
  const sum = rollout.reduce((total, value, t) => (mask[t] === 1 ? total + value : total), 0);
  return lengthNorm ? sum / Math.max(trainedActions(row), 1) : sum;
}
