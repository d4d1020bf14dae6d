import { type AggregationOptions, countRows } from "../../../src/algorithms/objective/aggregation.js";
import { makeObjective } from "../../../src/algorithms/objective/registry.js";
import { emptyTally, metricValues } from "../../../src/algorithms/tally.js";
import type { Counts, Row } from "../../../src/algorithms/types.js";
import { objectiveSchema } from "../../../src/config/schema/objective.js";
import { type Data, mask, numbers, type Op, row, Undetermined } from "../adapter.js";

/** One row per line of the case's arrays; advantages are per row or per action. */
function lossRows(inputs: Data): Row[] {
  return inputs.logps.map((logps: number[], i: number) => {
    const advantage = inputs.advantages[i];
    const weights = inputs.importance_sampling_ratio?.[i] ?? inputs.rollout_is_weights?.[i];
    return row({
      length: logps.length,
      mask: mask(inputs.mask[i]),
      advantage: Array.isArray(advantage) ? numbers(advantage) : new Float64Array(logps.length).fill(advantage),
      ...(inputs.old_logps === undefined ? {} : { old: numbers(inputs.old_logps[i]) }),
      ...(inputs.ref_logps === undefined ? {} : { reference: numbers(inputs.ref_logps[i]) }),
      ...(inputs.entropies === undefined ? {} : { entropy: numbers(inputs.entropies[i]) }),
      ...(inputs.sampling_logps === undefined ? {} : { rollout: numbers(inputs.sampling_logps[i]) }),
      ...(weights === undefined ? {} : { actionWeights: spreadOver(weights, logps.length) }),
    });
  });
}

/** A value per action from one per action or one per row. */
function spreadOver(values: number[], length: number): Float64Array {
  return values.length === 1 ? new Float64Array(length).fill(values[0]!) : numbers(values);
}

/** Loss, gradient and metrics of a configuration on the rows of a case. */
export function evaluate(
  rows: Row[],
  logps: number[][],
  config: Data,
  maxCompletionTokens: number,
  counts: Partial<Counts> = {},
) {
  const objective = makeObjective(objectiveSchema.parse(config), { maxCompletionTokens });
  const tally = emptyTally();
  const current = rows.map((_, i) => ({ logp: numbers(logps[i]!) }));
  const state = objective.prepare(rows, current, counts);
  const gradients = objective.rows([...rows.keys()], current, state, tally);
  return { loss: tally.loss, grad_logps: gradients.map(({ dlogp }) => dlogp), metrics: metricValues(tally) };
}

const trlForms: Record<string, { kind: string; aggregation: string }> = {
  grpo: { kind: "clip", aggregation: "sequence_mean_token_mean" },
  bnpo: { kind: "clip", aggregation: "token_mean" },
  dapo: { kind: "clip", aggregation: "token_mean" },
  dr_grpo: { kind: "clip", aggregation: "sequence_mean_token_sum_norm" },
  luspo: { kind: "clip", aggregation: "sequence_mean_token_sum" },
  sapo: { kind: "sapo", aggregation: "sequence_mean_token_mean" },
  cispo: { kind: "cispo", aggregation: "token_mean" },
  vespo: { kind: "vespo", aggregation: "token_mean" },
};

const trlMetrics: Record<string, string> = {
  "clip_ratio/low_mean": "ratio/clip_low",
  "clip_ratio/high_mean": "ratio/clip_high",
  "clip_ratio/region_mean": "ratio/clip_region",
  "clip_ratio/low_min": "ratio/clip_low_min",
  "clip_ratio/high_max": "ratio/clip_high_max",
  cispo_clip_ratio: "ratio/clip_high",
  "vespo/phi_seq_mean": "vespo/phi",
  kl: "kl/mean",
};

/** TRL's `_compute_loss`: one micro-batch of `gradient_accumulation_steps`, whose counts stand for the minibatch. */
export const trlLoss: Op = (inputs, params) => {
  const form = trlForms[params.loss_type]!;
  const level = params.importance_sampling_level;
  const ofKind: Record<string, Data> = {
    clip: { epsilon_low: params.epsilon_low, epsilon_high: params.epsilon_high, delta: params.delta },
    cispo: { epsilon_high: params.epsilon_high - 1 },
    sapo: {
      temperature_positive: params.sapo_temperature_pos,
      temperature_negative: params.sapo_temperature_neg,
    },
    vespo: {
      k_positive: params.vespo_k_pos,
      lambda_positive: params.vespo_lambda_pos,
      k_negative: params.vespo_k_neg,
      lambda_negative: params.vespo_lambda_neg,
    },
  };
  const config = {
    ...form,
    ...ofKind[form.kind],
    ...(form.kind === "vespo"
      ? {}
      : { level: level === "sequence_token" ? "sequence" : level, straight_through: level === "sequence_token" }),
    kl: {
      coefficient: params.beta,
      // The GSPO-token trainer leaves the correction out.
      corrected: params.use_bias_correction_kl && level !== "sequence_token",
    },
    entropy_mask: params.top_entropy_quantile < 1 ? { keep: params.top_entropy_quantile } : null,
    off_policy_mask: params.off_policy_mask_threshold === null ? null : { threshold: params.off_policy_mask_threshold },
  };
  const steps = params.gradient_accumulation_steps;
  const own = countRows(inputs.mask.map(mask));
  const counts =
    params.loss_type === "bnpo"
      ? { actions: own.actions * steps }
      : { rows: own.rows * steps, actions: (params.num_items_in_batch * steps) / params.steps_per_generation };
  const { metrics, ...rest } = evaluate(lossRows(inputs), inputs.logps, config, params.max_completion_length, counts);
  return { ...rest, metrics: rename(metrics, trlMetrics) };
};

function rename(metrics: Record<string, number>, names: Record<string, string>): Record<string, number> {
  return Object.fromEntries(Object.entries(names).map(([theirs, ours]) => [theirs, metrics[ours] ?? Number.NaN]));
}

const verlModes: Record<string, AggregationOptions["aggregation"]> = {
  "token-mean": "token_mean",
  "seq-mean-token-sum": "sequence_mean_token_sum",
  "seq-mean-token-mean": "sequence_mean_token_mean",
  "seq-mean-token-sum-norm": "token_sum_norm",
};

/** verl's `loss_agg_mode`; its norm is the padded width unless `loss_scale_factor` is given. */
export function verlAggregation(params: Data, width: number): AggregationOptions {
  return {
    aggregation: verlModes[params.loss_agg_mode]!,
    constant: params.loss_scale_factor ?? width,
    empty_rows: "skip",
    lengthEpsilon: 1e-8,
  };
}

interface VerlForm {
  config: (params: Data) => Data;
  metrics: Record<string, string>;
}

const range = (params: Data) => ({
  epsilon_low: params.clip_ratio_low ?? params.clip_ratio,
  epsilon_high: params.clip_ratio_high ?? params.clip_ratio,
});

const drift = { "actor/ppo_kl": "kl/old" };

const verlForms: Record<string, VerlForm> = {
  vanilla: {
    config: (params) => ({ kind: "clip", ...range(params), dual_clip: params.clip_ratio_c }),
    metrics: { ...drift, "actor/pg_clipfrac": "ratio/clip_region", "actor/pg_clipfrac_lower": "ratio/dual_clip" },
  },
  gspo: {
    config: (params) => ({
      kind: "clip",
      ...range(params),
      level: "sequence",
      straight_through: true,
      log_ratio_cap: 10,
    }),
    metrics: { ...drift, "actor/pg_clipfrac": "ratio/clip_region" },
  },
  sapo: {
    config: ({ tau_pos, tau_neg }) => ({
      kind: "sapo",
      temperature_positive: tau_pos,
      temperature_negative: tau_neg,
    }),
    metrics: drift,
  },
  geo_mean: {
    // Always the mean over all rows, whatever loss_agg_mode says.
    config: (params) => ({
      kind: "geometric_mean",
      ...range(params),
      aggregation: "sequence_mean_token_mean",
      empty_rows: "count",
    }),
    metrics: {
      ...drift,
      "actor/pg_clipfrac": "ratio/outside_positive",
      "actor/pg_clipfrac_lower": "ratio/outside_negative",
    },
  },
  cispo: {
    config: (params) => ({ kind: "cispo", ...range(params) }),
    metrics: { ...drift, "actor/pg_clipfrac": "ratio/outside" },
  },
  gpg: { config: () => ({ kind: "reinforce" }), metrics: {} },
  reinforce: { config: () => ({ kind: "reinforce" }), metrics: {} },
};

/** verl reports 0 for clips that a loss does not have. */
const absent = { "actor/pg_clipfrac": 0, "actor/pg_clipfrac_lower": 0 };

const untold = new Undetermined(
  "the mean of rollout minus current log-prob; the case holds the rollout only as truncated weights",
);

/** verl's policy losses by name. */
export const verlLoss: Record<string, Op> = Object.fromEntries(
  Object.entries(verlForms).map(([name, form]) => [
    `loss.verl.${name}`,
    (inputs: Data, params: Data) => {
      const width = inputs.mask[0].length;
      const { lengthEpsilon: _, ...aggregation } = verlAggregation(params, width);
      const config = { ...aggregation, ...form.config(params) };
      const { metrics, ...rest } = evaluate(lossRows(inputs), inputs.logps, config, width);
      const renamed = { ...absent, ...rename(metrics, form.metrics) };
      return { ...rest, metrics: name === "reinforce" ? { ...renamed, "actor/ppo_kl": untold } : renamed };
    },
  ]),
);
