import { groupAdvantages } from "../../../src/algorithms/advantage/group.js";
import { makeAdvantage } from "../../../src/algorithms/advantage/registry.js";
import { softBaselineAdvantages } from "../../../src/algorithms/advantage/soft-baseline.js";
import { recKeeps } from "../../../src/algorithms/objective/rec.js";
import { makeObjective } from "../../../src/algorithms/objective/registry.js";
import { makeShapers } from "../../../src/algorithms/shape/registry.js";
import { mean } from "../../../src/algorithms/statistics.js";
import { emptyTally, metricValues } from "../../../src/algorithms/tally.js";
import type { Row } from "../../../src/algorithms/types.js";
import { advantageSchema } from "../../../src/config/schema/advantage.js";
import { objectiveSchema } from "../../../src/config/schema/objective.js";
import { shapeSchema } from "../../../src/config/schema/shape.js";
import { type Data, mask, numbers, type Op, row, Undetermined } from "../adapter.js";

export const system = "rec-offpolicy";

const clips: Record<string, string> = {
  none: "none",
  "one-side": "one_side",
  "two-side": "two_side",
  ring: "ring",
  "gspo-one-side": "one_side",
};
const weights: Record<string, string> = {
  none: "none",
  importance_sampling: "token_ratio",
  gspo_importance_sampling: "ratio",
  truncated_importance_sampling: "truncated_ratio",
  advantage: "advantage",
};
const aggregations: Record<string, string> = {
  "token-mean": "token_mean",
  "seq-mean-token-sum": "sequence_mean_token_sum",
  "seq-mean-token-mean": "sequence_mean_token_mean",
  "seq-mean-token-sum-norm": "token_sum_norm",
};

function recConfig(params: Data) {
  const gspo = params.clip_mode === "gspo-one-side";
  const term = {
    kind: "old_policy",
    regularizer: params.regularizer?.replace("-", "_"),
    coefficient: params.regularizer_coef,
  };
  return objectiveSchema.parse({
    kind: "rec",
    level: gspo ? "sequence" : "token",
    clip: clips[params.clip_mode],
    weight: weights[params.weight],
    epsilon_low: params.epsilon_low,
    epsilon_high: params.epsilon_high,
    outer_low: params.epsilon_low_prime,
    outer_high: params.epsilon_high_prime,
    temperature: params.temp,
    aggregation: gspo ? "sequence_mean_token_mean" : "token_mean",
    terms: [undefined, "none"].includes(params.regularizer) || params.regularizer_coef === 0 ? [] : [term],
  });
}

function evaluate(config: ReturnType<typeof objectiveSchema.parse>, inputs: Data) {
  const width = inputs.mask[0].length;
  const rows: Row[] = inputs.mask.map((values: number[], i: number) =>
    row({
      length: width,
      mask: mask(values),
      advantage: new Float64Array(width).fill(inputs.advantage[i]),
      ...(inputs.old_logprob === undefined ? {} : { old: numbers(inputs.old_logprob[i]) }),
    }),
  );
  const current = inputs.logprob.map((logp: number[]) => ({ logp: numbers(logp) }));
  const objective = makeObjective(config, { maxCompletionTokens: width });
  const tally = emptyTally();
  const gradients = objective.rows([...rows.keys()], current, objective.prepare(rows, null), tally);
  return {
    loss: tally.loss,
    grad_logprob: gradients.map(({ dlogp }) => dlogp),
    clip_fraction: metricValues(tally)["ratio/clip_region"],
  };
}

const rewardRows = (inputs: Data): Row[] => inputs.reward.map((reward: number) => row({ length: 1, reward }));

/** Outputs of `soft_baseline` on one group. */
function softBaseline(inputs: Data, options: Data) {
  const config = advantageSchema.parse({ kind: "soft_baseline", ...options });
  const rows = rewardRows(inputs);
  const advantage = makeAdvantage(config)
    .estimate(rows)
    .map((values) => values[0]);
  const { baselines } = softBaselineAdvantages(rows, config as Parameters<typeof softBaselineAdvantages>[1]);
  return { advantage, baseline: baselines[0] };
}

export const ops: Record<string, Op> = {
  rec_loss: (inputs, params) => evaluate(recConfig(params), inputs),
  opmd_loss: (inputs, { tau, agg }) =>
    evaluate(objectiveSchema.parse({ kind: "reinforce", tau, aggregation: aggregations[agg] }), inputs),
  rec_clip_mask: (inputs, params) => {
    if (inputs.advantage === 0) {
      return {
        kept: new Undetermined("the reference tells kept actions by their gradient, which is 0 without advantage"),
      };
    }
    const config = recConfig(params) as Parameters<typeof recKeeps>[2];
    return { kept: inputs.ratio.map((ratio: number) => recKeeps(ratio, inputs.advantage, config)) };
  },
  rec_advantage: (inputs, { std_normalize, drop, epsilon }) => {
    const rows = rewardRows(inputs);
    const tally = emptyTally();
    if (drop === "balance") {
      const center = mean(inputs.reward);
      // Rows below the mean, in ascending order, have their places in the permutation as random words.
      const below = [...rows.keys()].filter((i) => rows[i]!.reward < center);
      const random = (_: number, __: number, i: number) => inputs.negatives_permutation?.indexOf(below.indexOf(i)) ?? i;
      for (const shaper of makeShapers(shapeSchema.parse([{ kind: "balance" }]))) shaper.shape(rows, tally, random);
    }
    const config = advantageSchema.parse({
      kind: "group",
      scale: std_normalize ? "group" : "none",
      std: "population",
      epsilon,
      single: "reward",
    });
    const { centers, deviations } = groupAdvantages(rows, { ...(config as Data), weights: {} });
    return {
      advantage: makeAdvantage(config)
        .estimate(rows)
        .map((values) => values[0]),
      reward_mean: centers[0],
      reward_std: deviations[0],
      dropped_fraction: metricValues(tally)["balance/dropped"] ?? 0,
    };
  },
  opmd_advantage: (inputs, { baseline, tau }) =>
    softBaseline(inputs, { temperature: baseline === "mean" ? null : tau }),
  asymre_advantage: (inputs, { baseline_shift }) => softBaseline(inputs, { shift: baseline_shift }),
};
