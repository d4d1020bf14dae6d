import { makeAdvantage } from "../../../src/algorithms/advantage/registry.js";
import { makeObjective } from "../../../src/algorithms/objective/registry.js";
import {
  bradleyTerryLoss,
  preferenceAccuracy,
  scoreRewards,
} from "../../../src/algorithms/reward-model/bradley-terry.js";
import { emptyTally } from "../../../src/algorithms/tally.js";
import { advantageSchema } from "../../../src/config/schema/advantage.js";
import { objectiveSchema } from "../../../src/config/schema/objective.js";
import { rewardsSchema } from "../../../src/config/schema/rewards.js";
import { formatReward } from "../../../src/rewards/format.js";
import { createRewards } from "../../../src/rewards/reward-set.js";
import { type Data, mask, numbers, type Op, row, sample } from "../adapter.js";

export const system = "posterior-grpo";

const column = (name: string, options: Data = {}) => ({ name, kind: "column", column: name, ...options });

/** Total rewards of samples whose components stand in their records. */
async function totals(components: Data[], inputs: Data): Promise<Float64Array> {
  const rewards = await createRewards(rewardsSchema.parse(components), { baseDir: ".", seed: 0 });
  const names = Object.keys(inputs);
  const samples = inputs.format.map((_: number, i: number) =>
    sample("", Object.fromEntries(names.map((name) => [name, inputs[name][i]]))),
  );
  const { total } = await rewards.score(samples, { step: 1, evaluation: false });
  await rewards.close();
  return total;
}

function advantages(reward: Float64Array, { std, epsilon }: Data) {
  const rows = Array.from(reward, (value) => row({ length: 1, reward: value }));
  const values = makeAdvantage(advantageSchema.parse({ std, epsilon })).estimate(rows);
  return { reward, advantage: values.map((array) => array[0]) };
}

export const ops: Record<string, Op> = {
  posterior_reward: async (inputs, params) => {
    const weight = params.process_weight;
    const rules = [column("format"), column("outcome")];
    const gated = column("thinking", { weight, when: "rewards.outcome == 1" });
    const soft = [column("format"), column("pass_rate"), column("thinking", { weight, times: "pass_rate" })];
    return {
      posterior: advantages(await totals([...rules, gated], inputs), params),
      ungated: advantages(await totals([...rules, column("thinking", { weight })], inputs), params),
      outcome_only: advantages(await totals(rules, inputs), params),
      soft_pass_rate: { reward: await totals(soft, inputs) },
    };
  },

  bradley_terry_loss: (inputs, { reward_map }) => {
    const [preferred, rejected] = [numbers(inputs.score_preferred), numbers(inputs.score_rejected)];
    const { loss, dpreferred, drejected } = bradleyTerryLoss(preferred, rejected);
    return {
      loss,
      grad_preferred: dpreferred,
      grad_rejected: drejected,
      pair_accuracy: preferenceAccuracy(preferred, rejected).accuracy,
      thinking_reward_preferred: scoreRewards(preferred, reward_map),
    };
  },

  preference_accuracy: (inputs) => preferenceAccuracy(inputs.score_preferred, inputs.score_rejected),

  clip_higher_loss: (inputs, { eps_low, eps_high, agg }) => {
    const aggregation = agg === "token-mean" ? "token_mean" : "sequence_mean_token_mean";
    const config = objectiveSchema.parse({ epsilon_low: eps_low, epsilon_high: eps_high, aggregation });
    const rows = inputs.mask.map((values: number[], i: number) =>
      row({
        length: values.length,
        mask: mask(values),
        old: numbers(inputs.old_logprob[i]),
        advantage: new Float64Array(values.length).fill(inputs.advantage[i]),
      }),
    );
    const current = inputs.logprob.map((logp: number[]) => ({ logp: numbers(logp) }));
    const objective = makeObjective(config, { maxCompletionTokens: 1 });
    const tally = emptyTally();
    const gradients = objective.rows([...rows.keys()], current, objective.prepare(rows, null), tally);
    return { loss: tally.loss, grad_logprob: gradients.map(({ dlogp }) => dlogp) };
  },

  think_answer_format: (inputs) => {
    const tags = ["think", "answer"];
    const score = formatReward({ name: "format", weight: 1, kind: "format", tags, partial: false });
    return { reward: inputs.texts.map((text: string) => score(sample(text))) };
  },
};
