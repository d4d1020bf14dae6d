import { makeAdvantage } from "../../../src/algorithms/advantage/registry.js";
import { greedyCoreset } from "../../../src/algorithms/coreset.js";
import { bonusGate, ellipticalBonus, normalizeBonus, shapedReward } from "../../../src/algorithms/elliptical.js";
import { emptyMemory, persistentBonus } from "../../../src/algorithms/feature-memory.js";

import { advantageSchema } from "../../../src/config/schema/advantage.js";
import { passAtK } from "../../../src/report/statistics.js";
import { type Data, groupNumbers, numbers, type Op, row } from "../adapter.js";

export const system = "rep-exp";

/** Applies `f` to the indices of each group and puts the results back in place. */
function byGroup<T>(labels: (string | number)[], f: (members: number[]) => T[]): T[] {
  const groups = groupNumbers(labels);
  const out = new Array<T>(labels.length);
  for (const group of new Set(groups)) {
    const members = [...labels.keys()].filter((i) => groups[i] === group);
    f(members).forEach((value, k) => {
      out[members[k]!] = value;
    });
  }
  return out;
}

const vectors = (rows: (number | null)[][]) => rows.map(numbers);

export const ops: Record<string, Op> = {
  elliptical_bonus: (inputs, { lambda, normalization, type }) => {
    const features = vectors(inputs.features);
    const raw = (members: number[]) =>
      ellipticalBonus(
        members.map((i) => features[i]!),
        lambda,
        type,
      );
    return {
      raw_bonus: byGroup(inputs.group, raw),
      bonus: byGroup(inputs.group, (members) => normalizeBonus(raw(members), normalization)),
    };
  },

  elliptical_bonus_persistent: (inputs, { lambda }) => {
    const size: number = inputs.visits[0][0].length;
    const memory = emptyMemory(size, lambda);
    const bonus = inputs.visits.map((visit: number[][]) => persistentBonus(vectors(visit), memory));
    const inverse = Array.from({ length: size }, (_, i) => memory.inverse.slice(i * size, (i + 1) * size));
    return { bonus, mean_after: memory.mean, count_after: memory.count, cov_inv_after: inverse };
  },

  bonus_gate: (inputs, params) => {
    const gate = {
      none_correct: params.off_if_none_correct,
      some_correct: params.off_if_some_correct,
      all_correct: params.off_if_all_correct,
      wrong: params.off_if_rollout_incorrect,
    };
    const open = byGroup(inputs.group, (members) =>
      bonusGate(
        members.map((i) => inputs.extrinsic[i]),
        gate,
      ),
    );
    const bonus: number[] = inputs.bonus.map((value: number, i: number) => (open[i] ? value : 0));
    return {
      bonus_after_gate: bonus,
      reward: bonus.map((value, i) => shapedReward(inputs.extrinsic[i], value, params)),
    };
  },

  pass_at_k: (inputs) => ({ value: inputs.n_c_k.map(([n, c, k]: number[]) => passAtK(n!, c!, k!)) }),

  greedy_coreset: (inputs, { k, lambda }) => {
    const { selected, scores } = greedyCoreset(vectors(inputs.features), k, lambda);
    return { selected, score_at_selection: scores };
  },

  grpo_with_bonus: (inputs, params: Data) => {
    const bonus = ellipticalBonus(vectors(inputs.features), params.lambda, "leverage");
    const weights = { alpha: 1, beta: params.beta };
    const rows = bonus.map((value, i) => row({ length: 1, reward: shapedReward(inputs.extrinsic[i], value, weights) }));
    const advantages = makeAdvantage(advantageSchema.parse({ std: params.std, epsilon: params.eps })).estimate(rows);
    return { bonus, advantage: advantages.map((values) => values[0]) };
  },
};
