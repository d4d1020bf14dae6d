import { makeObjective } from "../../../src/algorithms/objective/registry.js";
import { QuantileTracker } from "../../../src/algorithms/quantile-tracker.js";
import {
  averageWeights,
  mvarAdvantage,
  rangeGradient,
  rangeWeight,
  riskOf,
  tailGradient,
} from "../../../src/algorithms/risk.js";
import { type RiskConfig, riskBundle } from "../../../src/algorithms/risk-bundle.js";
import { emptyTally } from "../../../src/algorithms/tally.js";
import { advantageSchema } from "../../../src/config/schema/advantage.js";
import { objectiveSchema } from "../../../src/config/schema/objective.js";
import { segmentRatio } from "../../../src/engine/ops/segment-ratio.js";
import { type Data, groupNumbers, mask, numbers, type Op, row } from "../adapter.js";

export const system = "riskpo";

/** The released estimator's options; it neither bounds shares nor deviations. */
function releasedConfig(params: Data): RiskConfig {
  return advantageSchema.parse({
    kind: "risk_mvar",
    alpha: params.quantile_down,
    beta: params.quantile_up,
    thresholds: params.use_q_track_mode,
    credit: params.credit_assign_mode.replace("-", "_"),
    credit_limit: null,
    normalize: params.norm_adv_by_std_in_grpo ? { floor: 0 } : null,
    measure: {
      kind: "released",
      tail: params.use_mixing_risk_measure ? "lower" : params.risk_seeking_upper_tail === true ? "upper" : "none",
      weight: params.risk_seeking_upper_tail === true ? params.upper_weight : params.w_mix,
      natural_baseline: params.natural_baseline_adv,
      mean_baseline: params.use_mean_as_baseline,
    },
    epsilon: params.epsilon,
  }) as Data;
}

export const ops: Record<string, Op> = {
  risk_bundle_advantage: (inputs, params) => {
    const history = {
      thresholds: inputs.q_track === null ? null : { down: inputs.q_track[0], up: inputs.q_track[1] },
      baseline: { range: inputs.g_rvar_avg, tail: inputs.g_cvar_avg },
    };
    const advantage: number[] = [];
    const bundle_scores: Record<string, number[]> = {};
    for (const bundle of new Set<string>(inputs.bundle)) {
      const members = [...inputs.bundle.keys()].filter((i) => inputs.bundle[i] === bundle);
      const prompts: number[][] = [];
      groupNumbers(members.map((i) => inputs.question[i])).forEach((prompt, k) => {
        prompts[prompt] = [...(prompts[prompt] ?? []), members[k]!];
      });
      const rewards = prompts.map((responses) => responses.map((i) => inputs.score[i]));
      const result = riskBundle(rewards, releasedConfig(params), history);
      bundle_scores[bundle] = result.scores;
      prompts.forEach((responses, p) => {
        for (const [j, i] of responses.entries()) {
          const value = result.advantages[p]![j]!;
          advantage[i] = Number.isNaN(value) ? 0 : value;
        }
      });
    }
    return { advantage, bundle_scores };
  },
  quantile_tracker: (inputs, { levels, lr_q, quantile_down, quantile_up }) => {
    const tracker = new QuantileTracker(levels, lr_q, null, Math.fround);
    const steps = inputs.batches.map((batch: number[]) => {
      tracker.update(batch);
      return { q: tracker.values, down: tracker.at(quantile_down), up: tracker.at(quantile_up) };
    });
    return {
      q_after: steps.map(({ q }: Data) => q),
      q_down: steps.map(({ down }: Data) => down),
      q_up: steps.map(({ up }: Data) => up),
    };
  },
  risk_metrics: (inputs, { natural_baseline, w_mix }) => {
    const levels = inputs.q.map((_: number, i: number) => (i + 1) / (inputs.q.length + 1));
    const thresholds = { down: inputs.q_down, up: inputs.q_up };
    const { range, tail } = averageWeights(levels, inputs.q, thresholds, natural_baseline);
    return { g_rvar_avg: range, g_cvar_avg: tail, ...riskOf(inputs.bundle_scores, thresholds, w_mix) };
  },
  risk_paper_advantage: ({ bundle_score, q_alpha, q_beta }, { alpha, beta, omega }) => {
    const thresholds = { down: q_alpha, up: q_beta };
    const each = (weigh: (score: number) => number) => bundle_score.map(weigh);
    return {
      g_rvar: each((score) => rangeWeight(score, thresholds)),
      advantage_mvar: each((score) => mvarAdvantage(score, thresholds, omega)),
      rvar_gradient_weight: each((score) => rangeGradient(score, thresholds, { alpha, beta })),
      cvar_gradient_weight: each((score) => tailGradient(score, thresholds, { alpha, beta })),
    };
  },
  risk_paper_tracker: (inputs, { levels, gamma }) => {
    const tracker = new QuantileTracker(levels, gamma, inputs.q0);
    return {
      q_after: inputs.batches.map((batch: number[]) => {
        tracker.update(batch);
        return tracker.values;
      }),
    };
  },
  risk_paper_seq_clip_loss: (inputs, { eps }) => {
    const rows = inputs.logprob.map((logps: number[], i: number) =>
      row({
        length: logps.length,
        mask: mask(inputs.mask[i]),
        old: numbers(inputs.old_logprob[i]),
        advantage: new Float64Array(logps.length).fill(inputs.advantage[i]),
      }),
    );
    const current = inputs.logprob.map((logps: number[]) => ({ logp: numbers(logps) }));
    const objective = makeObjective(
      objectiveSchema.parse({
        level: "sequence",
        epsilon_low: eps,
        epsilon_high: eps,
        aggregation: "sequence_mean_token_mean",
      }),
      { maxCompletionTokens: 1 },
    );
    const tally = emptyTally();
    const gradients = objective.rows([...rows.keys()], current, objective.prepare(rows, null), tally);
    const ratios = rows.map(({ length, mask: own, old }: Data, i: number) => {
      const { ratio } = segmentRatio(current[i].logp, old, own, new Int32Array(length));
      return ratio[own.indexOf(1)];
    });
    return { loss: tally.loss, seq_ratio: ratios, grad_logprob: gradients.map(({ dlogp }) => dlogp) };
  },
};
