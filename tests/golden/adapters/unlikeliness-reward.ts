import { makeAdvantage } from "../../../src/algorithms/advantage/registry.js";
import { placesByProbability } from "../../../src/algorithms/probability-places.js";
import { makeShapers } from "../../../src/algorithms/shape/registry.js";
import { oldLogprob, unlikelinessFactor } from "../../../src/algorithms/shape/unlikeliness.js";
import type { Row } from "../../../src/algorithms/types.js";
import { groupUplift, upliftRates } from "../../../src/algorithms/uplift.js";
import { advantageSchema } from "../../../src/config/schema/advantage.js";
import { shapeSchema } from "../../../src/config/schema/shape.js";
import { passGain } from "../../../src/report/pass-gain.js";
import { passAtK } from "../../../src/report/statistics.js";
import { groupNumbers, mask, numbers, type Op, row } from "../adapter.js";

export const system = "unlikeliness-reward";

export const ops: Record<string, Op> = {
  unlikeliness_advantage: (inputs, params) => {
    const groups = groupNumbers(inputs.uid);
    const rows: Row[] = inputs.old_logps.map((old: number[], i: number) =>
      row({
        length: old.length,
        group: groups[i]!,
        mask: mask(inputs.mask[i]),
        old: numbers(old),
        reward: inputs.rewards[i],
      }),
    );
    const logps = rows.map((one) => oldLogprob(one, "mean"));
    const shape = shapeSchema.parse([{ kind: "unlikeliness", beta: params.beta_rank }]);
    for (const shaper of makeShapers(shape)) shaper.shape(rows);
    const config = advantageSchema.parse({ kind: "group", epsilon: params.eps, std: params.std, single: "reward" });
    return {
      mean_logp: logps,
      modified_rewards: rows.map(({ reward }) => reward),
      token_advantages: makeAdvantage(config).estimate(rows),
    };
  },

  unlikeliness_factor: (inputs, params) => {
    const places = placesByProbability(inputs.mean_logp);
    return {
      rank_most_probable_zero: places,
      factor_formula_rank0: places.map((place) => unlikelinessFactor(place, params.G, params.beta_rank, 0)),
      factor_formula_rank1: places.map((place) => unlikelinessFactor(place, params.G, params.beta_rank, 1)),
    };
  },

  pass_at_n_gain: (inputs, { epsilon }) => ({
    gain: inputs.p0.map((p: number) => inputs.N.map((n: number) => passGain(p, n, epsilon))),
  }),

  pass_at_k: ({ n, c, k }) => ({
    value: c.map((right: number) => k.map((draws: number) => passAtK(n, right, draws))),
  }),

  uplift_rate: (inputs) => {
    const uplifts = inputs.logp_before.flatMap((before: number[], g: number) =>
      groupUplift(before, inputs.logp_after[g], inputs.correct[g].map(Boolean)),
    );
    return { rate: upliftRates(uplifts, inputs.logp_before[0].length) };
  },
};
