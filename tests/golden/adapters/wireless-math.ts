import { makeAdvantage } from "../../../src/algorithms/advantage/registry.js";
import { segmentsOf } from "../../../src/algorithms/ratio.js";
import type { Row } from "../../../src/algorithms/types.js";
import { advantageSchema } from "../../../src/config/schema/advantage.js";
import { stepsOf } from "../../../src/data/steps.js";
import { segmentRatio } from "../../../src/engine/ops/segment-ratio.js";
import { scoreBoxed } from "../../../src/rewards/latex-boxed.js";
import { mask, numbers, type Op, row } from "../adapter.js";
import { evaluate } from "./grpo-core-losses.js";

export const system = "wireless-math";

export const ops: Record<string, Op> = {
  wireless_reward: (inputs, { alpha }) => {
    const scores = inputs.responses.map((response: string, i: number) =>
      scoreBoxed(response, inputs.gold[i], inputs.kinds[i] === "mcq" ? "choice" : "fill", alpha),
    ) as ReturnType<typeof scoreBoxed>[];
    return {
      format: scores.map(({ format }) => format),
      accuracy: scores.map(({ accuracy }) => accuracy),
      reward: scores.map(({ reward }) => reward),
    };
  },

  grpo_advantage: (inputs, { G, eps, std }) => {
    const rows = inputs.rewards.map((reward: number, i: number) =>
      row({ length: 1, group: Math.floor(i / G), reward }),
    );
    const advantages = makeAdvantage(advantageSchema.parse({ epsilon: eps, std })).estimate(rows);
    return { advantages: advantages.map((values) => values[0]) };
  },

  sequence_ratio_grpo_loss: (inputs, { clip }) => {
    const rows: Row[] = inputs.logp.map((logp: number[], i: number) =>
      row({
        length: logp.length,
        mask: mask(inputs.mask[i]),
        old: numbers(inputs.old_logp[i]),
        advantage: new Float64Array(logp.length).fill(inputs.advantages[i]),
      }),
    );
    const config = {
      level: "sequence",
      ratio: "product",
      epsilon_low: clip,
      epsilon_high: clip,
      aggregation: "sequence_mean_token_mean",
    };
    const { loss, grad_logps } = evaluate(rows, inputs.logp, config, 1);
    const ratio = rows.map((one, i) => {
      const segments = segmentsOf(one, "sequence");
      const ratios = segmentRatio(numbers(inputs.logp[i]), one.old!, one.mask, segments, { mean: false });
      return ratios.ratio[one.mask.indexOf(1)];
    });
    return { ratio, loss, grad_logp: grad_logps };
  },

  steps_arithmetic: ({ train }, { rollout_batch, epochs }) => {
    const { perEpoch, total } = stepsOf(train, rollout_batch, epochs);
    return { steps_per_epoch: perEpoch, total_steps: total };
  },
};
