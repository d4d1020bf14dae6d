import * as z from "zod";
import { defaultKind } from "./parts.js";
import { termsSchema } from "./terms.js";

const kl = z
  .strictObject({
    coefficient: z
      .number()
      .min(0)
      .default(0)
      .describe("Weight of the term; 0 (as in TRL, DAPO, Dr. GRPO) never runs a reference model."),
    estimator: z
      .enum(["k1", "k2", "k3", "abs", "k1+", "k3+"])
      .default("k3")
      .describe("k3 is never negative and of low variance; `+` keeps the value and takes the unbiased gradient of k2."),
    placement: z
      .enum(["loss", "reward"])
      .default("loss")
      .describe("In the loss (GRPO), or taken off the rewards before advantages (PPO, RLOO)."),
    model: z.string().default("reference").describe("Model slot to stay close to."),
    corrected: z
      .boolean()
      .default(false)
      .describe("Multiplies the term by the differentiable ratio, which makes k3's gradient unbiased (TRL's default)."),
    limit: z
      .number()
      .positive()
      .nullable()
      .default(null)
      .describe(
        "Bound on k3 (verl: 10); null is none, since a bounded term no longer pulls back what has drifted far.",
      ),
    adaptive: z
      .strictObject({
        target: z.number().positive().describe("KL in nats per action that the controller steers to."),
        horizon: z.int().positive().default(10000).describe("Rows over which the coefficient reacts, as in verl."),
      })
      .nullable()
      .default(null)
      .describe("Lets the coefficient follow a target (PPO's adaptive KL); off, since GRPO uses a constant."),
  })
  .prefault({})
  .describe("Distance to a frozen model.");

const rolloutCorrection = z
  .strictObject({
    unit: z
      .enum(["token", "sequence"])
      .default("sequence")
      .describe("Ratio of single tokens, or of whole responses (TRL)."),
    mode: z
      .enum(["truncate", "mask"])
      .default("mask")
      .describe("Outside the bounds: moved to the bound, or weight 0 (TRL)."),
    min: z.number().min(0).nullable().default(null).describe("Lower bound; none, as in TRL and verl."),
    max: z.number().positive().nullable().default(3).describe("Upper bound; TRL's value (verl: 2)."),
    normalize: z
      .boolean()
      .default(false)
      .describe("Divides the weights by their mean over the minibatch (verl's option)."),
  })
  .nullable()
  .default(null)
  .describe("Weights old / sampling policy; null, since here both come from one set of kernels and are equal.");

const rejection = z
  .array(
    z.strictObject({
      unit: z
        .enum(["token", "sequence_sum", "sequence_mean", "sequence_max"])
        .describe("What is measured and dropped."),
      estimator: z
        .enum(["k1", "k2", "k3"])
        .describe("Measure of old against sampling policy; k1 is bounded as a ratio."),
      min: z.number().positive().optional().describe("Smallest sampling / old ratio (k1 only; 1 / max when absent)."),
      max: z.number().positive().describe("Largest allowed value."),
    }),
  )
  .default([])
  .describe("Actions or rows left out where the sampling policy is too far off, as in verl; none by default.");

const common = {
  coefficient: z
    .number()
    .min(0)
    .default(1)
    .describe("Weight of the policy loss beside KL and terms; 0 leaves those alone, which shows what they do."),
  level: z
    .union([z.enum(["token", "sequence"]), z.strictObject({ span: z.string().describe("Name of the spans.") })])
    .default("token")
    .describe(
      "Unit of the importance ratio: token (GRPO), sequence (GSPO), or named spans of a response (`{span: rank}`).",
    ),
  ratio: z
    .enum(["geometric_mean", "product"])
    .default("geometric_mean")
    .describe(
      "A unit's ratio: geometric mean of its tokens' ratios (GSPO), or their product, which grows with the length.",
    ),
  log_ratio_cap: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe("Upper bound of a unit's log-ratio, without gradient beyond (verl's GSPO: 10); none by default."),
  straight_through: z
    .boolean()
    .default(false)
    .describe("Ratio of the unit in value, of the token in gradient (GSPO-token)."),
  aggregation: z
    .enum([
      "token_mean",
      "sequence_mean_token_mean",
      "sequence_mean_token_sum",
      "sequence_mean_token_sum_norm",
      "token_sum_norm",
    ])
    .default("token_mean")
    .describe(
      "How token losses become one number, always over the whole minibatch: mean over tokens (DAPO), mean over rows of the row's mean (GRPO) or sum, or the sum over rows x constant or constant (Dr. GRPO).",
    ),
  constant: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe(
      "Divisor of the `_norm` forms; null is rollout.max_completion_tokens, so that it never drifts with the batch.",
    ),
  empty_rows: z
    .enum(["count", "skip"])
    .default("count")
    .describe("Whether rows without a trained token count in means over rows: yes as in TRL, no as in verl."),
  old: z
    .enum(["sampled", "recompute", "behaviour"])
    .default("sampled")
    .describe(
      "The policy at the start of the step (`sampled`: the sampler's numbers where they are exact; `recompute`: always asked again), or `behaviour`: the policy that drew the response, even where it lags behind.",
    ),
  kl,
  rollout_correction: rolloutCorrection,
  rejection,
  off_policy_mask: z
    .strictObject({ threshold: z.number().describe("Mean of sampling minus current log-prob, in nats per token.") })
    .nullable()
    .default(null)
    .describe("Drops rows with negative advantage that the policy has left (DeepSeek-V3.2); off by default."),
  entropy_mask: z
    .strictObject({
      keep: z.number().positive().max(1).default(0.2).describe("Share of tokens kept; the paper's value."),
    })
    .nullable()
    .default(null)
    .describe("Policy loss on the tokens of highest entropy only (arXiv 2506.01939); off by default."),
  terms: termsSchema,
};

const epsilonLow = z
  .number()
  .min(0)
  .default(0.2)
  .describe("The ratio is clipped below 1 - this; PPO's and GRPO's value.");
const epsilonHigh = z.number().min(0).default(0.2).describe("The ratio is clipped above 1 + this; DAPO takes 0.28.");

export const objectiveSchema = z
  .discriminatedUnion("kind", [
    z
      .strictObject({
        kind: defaultKind("clip"),
        epsilon_low: epsilonLow,
        epsilon_high: epsilonHigh,
        dual_clip: z
          .number()
          .gt(1)
          .nullable()
          .default(null)
          .describe("Bounds the loss of negative advantages at this times |A| (verl: 3); off, as in TRL."),
        delta: z
          .number()
          .positive()
          .nullable()
          .default(null)
          .describe("Bounds the unclipped ratio (two-sided clipping, INTELLECT-2); off, as in TRL."),
        ...common,
      })
      .describe("PPO's clipped ratio: GRPO, DAPO, Dr. GRPO, GSPO, LUSPO by level and aggregation."),
    z
      .strictObject({
        kind: z.literal("cispo"),
        epsilon_low: z
          .number()
          .min(0)
          .nullable()
          .default(null)
          .describe("Weights are at least 1 - this; null is no lower bound, as in MiniMax-M1."),
        epsilon_high: z.number().min(0).default(4).describe("Weights are at most 1 + this: 5, as TRL recommends."),
        ...common,
      })
      .describe("CISPO: the clipped ratio is a constant weight, so every token keeps a gradient."),
    z
      .strictObject({
        kind: z.literal("sapo"),
        temperature_positive: z
          .number()
          .positive()
          .default(1)
          .describe("Sharpness for positive advantages; the paper's."),
        temperature_negative: z.number().positive().default(1.05).describe("Sharpness for the others; the paper's."),
        ...common,
      })
      .describe("SAPO: a sigmoid gate in place of the clip."),
    z
      .strictObject({
        kind: z.literal("geometric_mean"),
        epsilon_low: z
          .number()
          .min(0)
          .default(0.4)
          .describe("Log-ratios of tokens are clipped below minus this; the paper's."),
        epsilon_high: z
          .number()
          .min(0)
          .default(0.4)
          .describe("Log-ratios of tokens are clipped above this; the paper's."),
        ...common,
        level: common.level.default("sequence"),
      })
      .describe("GMPO: geometric mean of clipped token ratios."),
    z
      .strictObject({
        kind: z.literal("vespo"),
        k_positive: z.number().default(2).describe("Shape for advantages >= 0; TRL's value."),
        lambda_positive: z.number().default(3).describe("Rate for advantages >= 0; TRL's value."),
        k_negative: z.number().default(3).describe("Shape for the others; TRL's value."),
        lambda_negative: z.number().default(2).describe("Rate for the others; TRL's value."),
        ...common,
      })
      .omit({ level: true, ratio: true, log_ratio_cap: true, straight_through: true })
      .strict()
      .describe("VESPO: a gamma-shaped weight of the whole response's ratio."),
    z
      .strictObject({
        kind: z.literal("rec"),
        epsilon_low: epsilonLow,
        epsilon_high: epsilonHigh,
        clip: z
          .enum(["none", "one_side", "two_side", "ring"])
          .default("one_side")
          .describe(
            "Which tokens learn: all; those whose ratio has not passed the bound that A pushes to; those within both bounds; those, and strays beyond the outer bounds that A pulls back.",
          ),
        outer_low: z
          .number()
          .min(0)
          .default(0.6)
          .describe("Outer bound 1 - this of `ring` and truncation; the paper's."),
        outer_high: z
          .number()
          .min(0)
          .default(2)
          .describe("Outer bound 1 + this of `ring` and truncation; the paper's."),
        weight: z
          .enum(["none", "ratio", "token_ratio", "truncated_ratio", "advantage"])
          .default("none")
          .describe(
            "Constant factor of A: none (the paper finds it needless), the ratio of the level's unit or of the token, the token's within the outer bounds, or exp(A / temperature) (RED-Weight).",
          ),
        temperature: z.number().positive().default(1).describe("Of the weight `advantage`; the paper's."),
        ...common,
        old: common.old.default("behaviour"),
      })
      .omit({ straight_through: true })
      .strict()
      .describe("REC: -A log p under a hard mask on the ratio, with or without the ratio as a weight."),
    z
      .strictObject({
        kind: z.literal("reinforce"),
        tau: z.number().min(0).default(0).describe("Divides the loss by 1 + tau (OPMD); 0 is REINFORCE."),
        ...common,
      })
      .omit({ level: true, ratio: true, log_ratio_cap: true, straight_through: true })
      .strict()
      .describe("-A log p without a ratio (REINFORCE, GPG); with rollout_correction, weighted by it."),
    z
      .strictObject({
        kind: z.literal("reg_grpo"),
        rho: z
          .enum(["sum", "mean"])
          .default("sum")
          .describe("A response's log-ratio: sum over its tokens (the paper), or mean, which depends less on length."),
        detach_std: z
          .boolean()
          .default(false)
          .describe("Holds the group's deviation of log-ratios fixed in the gradient; off, as the formula is printed."),
        sigma_smooth: z
          .number()
          .min(0)
          .default(1e-4)
          .describe("Joins the deviation as a root of squares, so that equal log-ratios give a finite gradient."),
        skip_zero_variance: z
          .boolean()
          .default(true)
          .describe("Leaves out groups of equal rewards, which would only pull all log-ratios together."),
        old: common.old,
        kl,
      })
      .describe("Reg-GRPO: fits the group-normalised log-ratio of each response to its advantage."),
  ])
  .prefault({})
  .describe("The loss: unit of the ratio x clip rule x aggregation + terms.");

export type ObjectiveConfig = z.output<typeof objectiveSchema>;
/** The kinds that compose ratio level, clip rule, aggregation and terms. */
export type PolicyConfig = Extract<ObjectiveConfig, { aggregation: unknown }>;
export type KlConfig = ObjectiveConfig["kl"];
