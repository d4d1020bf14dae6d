import { makeAdvantage } from "../../../src/algorithms/advantage/registry.js";
import { poolHidden } from "../../../src/algorithms/pooling.js";
import { advantageSchema } from "../../../src/config/schema/advantage.js";
import { rewardsSchema } from "../../../src/config/schema/rewards.js";
import { eloRatings } from "../../../src/eval/elo.js";
import { createRewards } from "../../../src/rewards/reward-set.js";
import { cosine, mapCosine } from "../../../src/rewards/semantic/cosine.js";
import { rougeL } from "../../../src/rewards/semantic/rouge-l.js";
import { type Data, mask, numbers, type Op, row, sample } from "../adapter.js";

export const system = "semantic-reward";

export const ops: Record<string, Op> = {
  cosine_reward: ({ a, b }, { eps }) => {
    const value = cosine(numbers(a), numbers(b), eps);
    return { cosine: value, mapped_01: mapCosine(value, "affine"), clipped_01: mapCosine(value, "clip0") };
  },

  mean_pool_cosine: ({ hidden, mask: masks, reference }, { eps }) => {
    const pooled = hidden.map((states: number[][], i: number) =>
      poolHidden(numbers(states.flat()), mask(masks[i]), "mean"),
    );
    return { pooled, cosine: pooled.map((vector: Float64Array) => cosine(vector, numbers(reference), eps)) };
  },

  weighted_reward_sum: async (inputs, params) => {
    const names = ["semantic", "accuracy", "format"];
    const specs = names.map((name) => ({ name, kind: "column", column: name, weight: params[`w_${name}`] }));
    const rewards = await createRewards(rewardsSchema.parse(specs), { baseDir: ".", seed: 0 });
    const samples = inputs.semantic.map((_: number, i: number) =>
      sample("", Object.fromEntries(names.map((name) => [name, inputs[name][i]]))),
    );
    const { total } = await rewards.score(samples, { step: 1, evaluation: false });
    await rewards.close();
    const rows = Array.from(total, (reward) => row({ length: 1, reward }));
    const advantages = (options: Data) =>
      makeAdvantage(advantageSchema.parse(options))
        .estimate(rows)
        .map((values) => values[0]);
    return {
      total,
      "norm_population_eps1e-8": advantages({ std: "population", epsilon: 1e-8 }),
      "norm_sample_eps1e-4": advantages({ std: "sample", epsilon: 1e-4 }),
    };
  },

  rouge_l_f1: ({ pairs }) => ({ f1: pairs.map(([a, b]: string[]) => rougeL(a!, b!)) }),

  elo_ratings: ({ matches }, { K, initial }) => ({ ratings: eloRatings(matches, { k: K, initial }) }),
};
