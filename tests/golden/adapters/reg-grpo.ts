import { makeAdvantage } from "../../../src/algorithms/advantage/registry.js";
import { DifficultyController } from "../../../src/algorithms/difficulty.js";
import { regressGroup } from "../../../src/algorithms/objective/group-regression.js";
import { RegGrpo, type RegGrpoConfig } from "../../../src/algorithms/objective/reg-grpo.js";
import { mean } from "../../../src/algorithms/statistics.js";
import { emptyTally, metricValues } from "../../../src/algorithms/tally.js";
import type { Row } from "../../../src/algorithms/types.js";
import { advantageSchema } from "../../../src/config/schema/advantage.js";
import { objectiveSchema } from "../../../src/config/schema/objective.js";
import { temporalIou } from "../../../src/rewards/temporal-iou.js";
import { type Data, mask, numbers, type Op, row } from "../adapter.js";

export const system = "reg-grpo";

/** Sets the advantages of one group as the case's options ask, and returns one per row. */
function setAdvantages(rows: Row[], params: Data): number[] {
  const config = advantageSchema.parse({ kind: "group", std: params.std, epsilon: params.adv_eps ?? 0 });
  const advantages = makeAdvantage(config).estimate(rows);
  rows.forEach((one, i) => {
    one.advantage = advantages[i]!;
  });
  return advantages.map((values) => values[0]!);
}

export const ops: Record<string, Op> = {
  reg_grpo_loss: (inputs, params) => {
    const rows: Row[] = inputs.logprob.map((logp: number[], i: number) =>
      row({
        length: logp.length,
        mask: mask(inputs.mask[i]),
        old: numbers(inputs.old_logprob[i]),
        reference: numbers(inputs.ref_logprob[i]),
        reward: inputs.reward[i],
      }),
    );
    const advantage = setAdvantages(rows, params);
    const evaluate = (beta: number) => {
      const config = objectiveSchema.parse({
        kind: "reg_grpo",
        rho: params.rho_reduction,
        detach_std: params.detach_std,
        sigma_smooth: params.sigma_smooth,
        skip_zero_variance: false,
        kl: { coefficient: beta },
      });
      const objective = new RegGrpo(config as RegGrpoConfig);
      const current = rows.map((_, i) => ({ logp: numbers(inputs.logprob[i]) }));
      const state = objective.prepare(rows, current);
      const tally = emptyTally();
      const gradients = objective.rows([...rows.keys()], current, state, tally);
      return { state, tally, gradients };
    };
    const { state, tally, gradients } = evaluate(params.beta);
    // The case reports the distance even where its weight is 0.
    const measured = metricValues(evaluate(params.beta || 1).tally);
    return {
      advantage,
      rho: state.rho,
      predicted_advantage: state.predicted,
      regression_loss: measured["reg/loss"],
      kl: measured["kl/mean"],
      loss: tally.loss,
      grad_logprob: gradients.map(({ dlogp }) => dlogp),
    };
  },

  reg_grpo_from_rho: (inputs, params) => {
    const advantage = setAdvantages(
      inputs.reward.map((reward: number) => row({ length: 1, reward })),
      params,
    );
    const { predicted, loss } = regressGroup(advantage, inputs.rho, params.sigma_smooth, false);
    return { advantage, predicted_advantage: predicted, regression_loss: mean(loss) };
  },

  difficulty_controller: (inputs, { window, delta_max }) => {
    const controller = new DifficultyController({ window, deltaMax: delta_max });
    return { steps: inputs.group_rewards.map((rewards: number[]) => controller.judge(rewards)) };
  },

  temporal_iou: (inputs) => ({ iou: inputs.pairs.map(([p, q]: Data) => temporalIou(p, q)) }),
};
