import { discountedReturns } from "../../../src/algorithms/advantage/discounted-returns.js";
import { groupAdvantages, zeroDeviationFraction } from "../../../src/algorithms/advantage/group.js";
import { makeAdvantage } from "../../../src/algorithms/advantage/registry.js";
import { varies } from "../../../src/algorithms/filter/zero-variance.js";
import { klEstimate } from "../../../src/algorithms/kl.js";
import { KlController } from "../../../src/algorithms/kl-controller.js";
import { categoricalKl, klExpectation } from "../../../src/algorithms/kl-expectation.js";
import { aggregate } from "../../../src/algorithms/objective/aggregation.js";
import { rejectionMasks } from "../../../src/algorithms/objective/rejection.js";
import { rolloutWeights } from "../../../src/algorithms/objective/rollout-correction.js";
import { highEntropyMasks } from "../../../src/algorithms/objective/token-masks.js";
import { valueLoss } from "../../../src/algorithms/objective/value-loss.js";
import { makeShapers } from "../../../src/algorithms/shape/registry.js";
import { repetitionPenalty } from "../../../src/algorithms/shape/repetition.js";
import { softOverlong } from "../../../src/algorithms/shape/soft-overlong.js";
import { emptyTally, metricValues } from "../../../src/algorithms/tally.js";
import type { Row } from "../../../src/algorithms/types.js";
import { advantageSchema } from "../../../src/config/schema/advantage.js";
import { objectiveSchema, type PolicyConfig } from "../../../src/config/schema/objective.js";
import { shapeSchema } from "../../../src/config/schema/shape.js";
import { totalReward } from "../../../src/rewards/total-reward.js";
import { type Data, groupNumbers, mask, numbers, type Op, row } from "../adapter.js";
import { trlLoss, verlAggregation, verlLoss } from "./grpo-core-losses.js";

export const system = "grpo-core";

/** Rows of one action each, with the rewards of TRL's `rewards_per_func`, in groups of `num_generations`. */
function trlRows(inputs: Data, params: Data): { rows: Row[]; weights: Record<string, number> } {
  const table: (number | null)[][] = inputs.rewards_per_func;
  const names = table[0]!.map((_, f) => `reward_${f}`);
  const weights = Object.fromEntries(names.map((name, f) => [name, params.reward_weights[f]]));
  const components = Object.fromEntries(names.map((name, f) => [name, table.map((values) => values[f]!)]));
  const totals = totalReward(components, weights, table.length);
  const rows = table.map((values, i) => {
    const length = inputs.mask?.[i].length ?? 1;
    return row({
      length,
      group: Math.floor(i / params.num_generations),
      mask: inputs.mask === undefined ? mask([1]) : mask(inputs.mask[i]),
      reward: totals[i]!,
      components: Object.fromEntries(
        names.map((name, f) => {
          const value = values[f]!;
          return [name, value === null ? null : { unit: "episode", values: Float64Array.of(value) }];
        }),
      ),
    });
  });
  return { rows, weights };
}

/** Rows with verl's token-level rewards; `index` labels the groups. */
function verlRows(inputs: Data): Row[] {
  const rewards: number[][] = inputs.token_level_rewards;
  const groups = inputs.index === undefined ? rewards.map((_, i) => i) : groupNumbers(inputs.index);
  return rewards.map((values, i) =>
    row({
      length: values.length,
      group: groups[i]!,
      mask: mask(inputs.mask[i]),
      actionRewards: numbers(values),
      ...(inputs.values === undefined ? {} : { value: numbers(inputs.values[i]) }),
    }),
  );
}

/** A verl estimator whose returns are its advantages. */
function verlOutcome(config: (params: Data) => Data): Op {
  return (inputs, params) => {
    const advantages = makeAdvantage(advantageSchema.parse(config(params))).estimate(verlRows(inputs));
    return { advantages, returns: advantages };
  };
}

const verlGrpo = (floor: number) =>
  verlOutcome(({ norm_adv_by_std = true, epsilon = 1e-6 }) => ({
    kind: "group",
    scale: norm_adv_by_std ? "group" : "none",
    epsilon,
    single: "reward",
    variance_floor: floor,
  }));

/** Rows that carry verl's `log_ratio` = old - rollout. */
function logRatioRows(inputs: Data): Row[] {
  return inputs.log_ratio.map((values: number[], i: number) =>
    row({
      length: values.length,
      mask: mask(inputs.mask[i]),
      old: numbers(values),
      rollout: new Float64Array(values.length),
    }),
  );
}

const klNames: Record<string, string> = { kl: "k1", mse: "k2", low_var_kl: "k3", "low_var_kl+": "k3+", "mse+": "k2" };

/** verl's bound on k3. */
const VERL_KL_LIMIT = 10;

export const ops: Record<string, Op> = {
  "advantage.trl": (inputs, params) => {
    const { rows, weights } = trlRows(inputs, params);
    const config = advantageSchema.parse({
      kind: "group",
      scale: params.scale_rewards,
      epsilon: params.eps,
      aggregation: params.multi_objective_aggregation,
    });
    const { deviations } = groupAdvantages(rows, { ...(config as Extract<typeof config, { kind: "group" }>), weights });
    return {
      advantages: makeAdvantage(config, { weights })
        .estimate(rows)
        .map((values) => values[0]),
      frac_reward_zero_std: zeroDeviationFraction(deviations),
    };
  },

  "advantage.trl.rloo": (inputs, params) => {
    const { rows, weights } = trlRows(inputs, params);
    rows.forEach((one, i) => {
      one.old = numbers(inputs.old_logps[i]);
      one.reference = numbers(inputs.ref_logps[i]);
    });
    const range = params.reward_clip_range;
    const clip = range === null ? [] : [{ kind: "clip", min: range[0], max: range[1] }];
    const { kl } = objectiveSchema.parse({ kl: { coefficient: params.beta, estimator: "k1", placement: "reward" } });
    for (const shaper of makeShapers(shapeSchema.parse(clip), kl)) shaper.shape(rows);
    const steps = params.normalize_advantages ? [{ kind: "standardize", epsilon: 1e-4 }] : [];
    // biome-ignore lint/suspicious/noThenProperty: a key of the configuration.
    const config = advantageSchema.parse({ kind: "leave_one_out", then: steps });
    const advantages = makeAdvantage(config, { weights }).estimate(rows);
    return { advantages: advantages.map((values) => values[0]) };
  },

  "advantage.verl.grpo": verlGrpo(0),
  "advantage.verl.grpo_vectorized": verlGrpo(1e-6),
  "advantage.verl.rloo": verlOutcome(() => ({ kind: "leave_one_out", single: "reward" })),
  "advantage.verl.rloo_vectorized": verlOutcome(() => ({ kind: "leave_one_out", single: "zero" })),
  "advantage.verl.opo": verlOutcome(() => ({ kind: "length_weighted", single: "reward" })),
  "advantage.verl.gpg": verlOutcome(({ f_norm }) => ({ kind: "gpg", norm: f_norm, single: "reward" })),
  "advantage.verl.reinforce_plus_plus_baseline": verlOutcome(() => ({ kind: "reinforce_pp_baseline" })),
  "advantage.verl.grpo_passk": verlOutcome(({ norm_adv_by_std, epsilon }) => ({
    kind: "pass_at_k",
    scale: norm_adv_by_std ? "group" : "none",
    epsilon,
  })),

  "advantage.verl.reinforce_plus_plus": (inputs, { gamma }) => {
    const rows = verlRows(inputs);
    const config = advantageSchema.parse({ kind: "reinforce_pp", gamma });
    return {
      advantages: makeAdvantage(config).estimate(rows),
      returns: rows.map((one) => discountedReturns(one, gamma)),
    };
  },

  "advantage.verl.remax": (inputs) => {
    const rows = verlRows(inputs);
    const greedy = rows.map((one, i) =>
      row({ length: 1, group: one.group, role: "baseline", reward: inputs.reward_baselines[i] }),
    );
    const advantages = makeAdvantage(advantageSchema.parse({ kind: "remax" })).estimate([...rows, ...greedy]);
    return { advantages: advantages.slice(0, rows.length), returns: rows.map((one) => discountedReturns(one, 1)) };
  },

  "advantage.verl.gae": (inputs, { gamma, lam }) => {
    const rows = verlRows(inputs);
    const advantages = makeAdvantage(advantageSchema.parse({ kind: "gae", gamma, lambda: lam })).estimate(rows);
    return { advantages, returns: rows.map((one) => one.returns) };
  },

  "advantage.process_supervision": (inputs, { ddof, eps }) => {
    const rows = inputs.step_rewards.map((rewards: number[], i: number) => {
      const ends: number[] = inputs.step_end_index[i];
      const steps = rewards.map((reward, j) => ({ start: 0, end: ends[j]! + 1, reward, meta: {} }));
      return row({ length: Math.max(...ends) + 1, steps });
    });
    const std = ddof === 0 ? "population" : "sample";
    return {
      token_advantages: makeAdvantage(advantageSchema.parse({ kind: "process", std, epsilon: eps })).estimate(rows),
    };
  },

  "loss.trl": trlLoss,
  ...verlLoss,

  "agg_loss.verl": (inputs, params) => ({
    loss: aggregate(
      inputs.loss_mat.map(numbers),
      inputs.mask.map(mask),
      verlAggregation(params, inputs.mask[0].length),
      {
        actions: params.batch_num_tokens / params.dp_size,
        filledRows: params.global_batch_size / params.dp_size,
      },
    ),
  }),

  "is_weights.trl": (inputs, params) => {
    const rows: Row[] = inputs.train_old_logps.map((old: number[], i: number) =>
      row({
        length: old.length,
        mask: mask(inputs.mask[i]),
        old: numbers(old),
        rollout: numbers(inputs.sampling_logps[i]),
      }),
    );
    const [unit, mode] = params.mode.split("_");
    const masks = rows.map((one) => one.mask);
    const correction = { unit, mode, min: params.clip_min, max: params.clip_max, normalize: false };
    const weights = rolloutWeights(rows, masks, correction);
    return { ratio: weights.map((values) => (unit === "sequence" ? values.slice(0, 1) : values)) };
  },

  "is_weights.verl": (inputs, params) => {
    const rows = logRatioRows(inputs);
    const masks = rows.map((one) => one.mask);
    const weights = rolloutWeights(rows, masks, {
      unit: params.rollout_is,
      mode: "truncate",
      min: null,
      max: params.threshold,
      normalize: params.batch_normalize,
    });
    // Padding has weight 0 in verl.
    return { weights: weights.map((values, i) => values.map((value, t) => (masks[i]![t] === 1 ? value : 0))) };
  },

  "rejection_mask.verl": (inputs, params) => {
    const bounds = String(params.threshold).split(",");
    const configs = String(params.rollout_rs)
      .split(",")
      .map((name, i) => {
        const at = name.lastIndexOf("_");
        const unit = name.slice(0, at);
        const limits = bounds[Math.min(i, bounds.length - 1)]!.split("_").map(Number);
        return {
          unit: unit === "token" ? "token" : unit.replace("seq", "sequence"),
          estimator: name.slice(at + 1),
          ...(limits.length === 2 ? { min: limits[0]!, max: limits[1]! } : { max: limits[0]! }),
        };
      });
    const { rejection } = objectiveSchema.parse({ rejection: configs }) as PolicyConfig;
    return { mask: rejectionMasks(logRatioRows(inputs), rejection) };
  },

  "kl.verl": (inputs, params) => {
    const estimator = klNames[params.kind] ?? params.kind;
    const terms = inputs.logps.map((values: number[], i: number) =>
      values.map((logp, t) => klEstimate(estimator, logp - inputs.ref_logps[i][t], VERL_KL_LIMIT)),
    ) as ReturnType<typeof klEstimate>[][];
    return {
      value: terms.map((values) => values.map(({ value }) => value)),
      grad_logps: terms.map((values) => values.map(({ slope }) => slope)),
    };
  },

  "kl.expectation": (inputs) => {
    const policy = numbers(inputs.policy_logits);
    const reference = numbers(inputs.ref_logits);
    const exact = categoricalKl(policy, reference);
    const outputs: Record<string, unknown> = { true_kl: exact.value, true_grad: exact.gradient };
    for (const name of ["k1", "k2", "k3", "k3_is"]) {
      const estimator = name === "k3_is" ? "k3" : (name as "k1");
      const { value, gradient } = klExpectation(policy, reference, estimator, name === "k3_is");
      outputs[`${name}_value`] = value;
      outputs[`${name}_grad_as_loss`] = gradient;
    }
    return outputs;
  },

  "kl_controller.verl": (inputs, { init, target, horizon, n_steps }) => {
    const controller = new KlController({ coefficient: init, adaptive: { target, horizon } });
    return {
      value_after: inputs.current_kl.map((kl: number) => {
        controller.update(kl, n_steps);
        return controller.coefficient;
      }),
    };
  },

  "value_loss.verl": (inputs, params) => {
    const rows: Row[] = inputs.vpreds.map((_: number[], i: number) =>
      row({
        length: inputs.mask[i].length,
        mask: mask(inputs.mask[i]),
        value: numbers(inputs.values[i]),
        returns: numbers(inputs.returns[i]),
      }),
    );
    const masks = rows.map((one) => one.mask);
    const term = valueLoss({
      coefficient: 1,
      clip: params.cliprange_value,
      aggregation: verlAggregation(params, inputs.mask[0].length),
    });
    const minibatch = { rows, masks, policyMasks: masks, coefficients: new Float64Array(0), counts: {}, current: null };
    const state = term.prepare(minibatch);
    const tally = emptyTally();
    let loss = 0;
    const gradients = rows.map((one, i) => {
      const gradient = { dlogp: new Float64Array(one.length), dvalue: new Float64Array(one.length) };
      const current = { logp: new Float64Array(one.length), value: numbers(inputs.vpreds[i]) };
      loss += term.add(i, current, state, gradient, tally);
      return gradient.dvalue;
    });
    return { loss, clipfrac: metricValues(tally)["value/clip"], grad_vpreds: gradients };
  },

  "reward.soft_overlong": (inputs, { max_len, cache }) => ({
    rewards: inputs.lengths.map((length: number) =>
      softOverlong(length, { max_tokens: max_len, cache_tokens: cache, factor: 1, floor: true }),
    ),
  }),

  "reward.repetition": (inputs, { ngram, max_penalty }) => ({
    rewards: inputs.completion_ids.map((ids: number[]) => repetitionPenalty(ids, { ngram, max_penalty })),
  }),

  "entropy_mask.trl": (inputs, { threshold }) => ({
    mask: highEntropyMasks(inputs.entropies.map(numbers), inputs.mask.map(mask), threshold),
  }),

  "filter.dynamic_sampling": (inputs) => ({ keep: inputs.group_metric.map(varies) }),
};
