import * as z from "zod";
import { defaultKind } from "./parts.js";

const epsilon = z
  .number()
  .min(0)
  .default(1e-6)
  .describe("Added to the deviation that divides; verl's value (TRL: 1e-4).");
const std = z
  .enum(["sample", "population"])
  .default("sample")
  .describe("Deviation divided by n - 1 (`sample`, as in TRL and verl) or by n.");
const single = z
  .enum(["zero", "reward"])
  .default("zero")
  .describe(
    "Advantage of a group's only row: none, since there is nobody to compare with, or its reward (as in verl).",
  );

const transforms = z.discriminatedUnion("kind", [
  z
    .strictObject({ kind: z.literal("whiten") })
    .describe("Mean 0 and variance 1 over the trained actions of the step, as in PPO."),
  z
    .strictObject({ kind: z.literal("standardize"), std, epsilon })
    .describe("Mean 0 and deviation 1 over the rows of the step; every row counts once, whatever its length."),
  z
    .strictObject({
      kind: z.literal("semantic_entropy"),
      alpha: z
        .number()
        .min(0)
        .default(0.0417)
        .describe("Sensitivity: 0.02 per nat with 8 completions; 0 changes nothing."),
      form: z.enum(["inverse", "linear", "exp", "focal"]).default("inverse").describe("Shape; inverse as released."),
      gamma: z.number().positive().default(2).describe("Exponent of the focal form."),
      entropy: z.enum(["rao", "mc", "discrete"]).default("rao").describe("Estimator; rao as released, mc as printed."),
      length_norm: z.boolean().default(true).describe("Responses weigh by mean log-prob per token, not by its sum."),
    })
    .describe("SEED-GRPO: groups whose answers disagree in meaning get smaller advantages."),
  z
    .strictObject({
      kind: z.literal("prefix_tree"),
      coefficient: z.number().min(0).default(1).describe("Weight of the differences; the paper's."),
      scale: z
        .enum(["reward", "difference", "none"])
        .default("reward")
        .describe("Whose deviation in the group divides: the rewards' (TEMPO), the differences' own, or none."),
      std,
      epsilon,
    })
    .describe("TEMPO: adds at each token the change in the mean reward of the responses that share the prefix."),
  z
    .strictObject({
      kind: z.literal("list_length"),
      span: z.string().default("rank").describe("Name of the spans, from rollout.spans."),
      positions: z.int().positive().default(20).describe("Wanted number of items."),
      extra: z.number().default(-0.1).describe("Added on every token of items past the last; the paper's value."),
      complete: z.number().default(0.1).describe("Added on the end of a list of the right length; the paper's value."),
      early: z.number().default(-0.1).describe("Added on the end of a list that is too short; the paper's value."),
    })
    .describe("Rank-GRPO's length shaping of lists."),
]);

const then = z.array(transforms).default([]).describe("Steps after the estimator, in order.");

const level = (value: number, what: string) => z.number().gt(0).lt(1).default(value).describe(what);

const riskMvar = z
  .strictObject({
    kind: z.literal("risk_mvar"),
    alpha: level(0.2, "Level below which scores are the tail that weighs more; the paper's."),
    beta: level(0.8, "Level above which scores no longer count; the paper's."),
    bundle_size: z.int().positive().default(5).describe("Prompts whose rewards are added up; the paper's best."),
    permute: z
      .boolean()
      .default(true)
      .describe("Pairs the completions of a bundle's prompts at random, as in the paper."),
    measure: z
      .discriminatedUnion("kind", [
        z
          .strictObject({
            kind: defaultKind("paper"),
            omega: z.number().min(0).default(0.5).describe("Extra weight of the tail; the paper's."),
          })
          .describe("The published gradient of MVaR."),
        z
          .strictObject({
            kind: z.literal("released"),
            tail: z
              .enum(["lower", "upper", "none"])
              .default("lower")
              .describe("Which tail is mixed in: the lower (averse), the upper (seeking), or none."),
            weight: z.number().min(0).default(1.5).describe("Weight of the tail against the range; as in the scripts."),
            natural_baseline: z
              .boolean()
              .default(true)
              .describe("Lets the range weight end at 0 rather than begin there."),
            mean_baseline: z
              .boolean()
              .default(false)
              .describe("Subtracts the mean weights over the tracked quantiles; off in the scripts."),
          })
          .describe("The released code: normalised measures, weighted."),
      ])
      .prefault({})
      .describe("How a score becomes an advantage."),
    thresholds: z
      .enum(["track", "batch", "mix"])
      .default("track")
      .describe("Quantiles to compare with: tracked over the steps, the bundle's own, or the mean of both."),
    rate: z.number().positive().default(0.1).describe("Step of the tracked quantiles, in reward; the scripts' value."),
    normalize: z
      .strictObject({ floor: z.number().min(0).default(1e-3).describe("Least deviation that divides.") })
      .nullable()
      .default(null)
      .describe("Division by the deviation of the bundle's scores (released); null is none (paper)."),
    credit: z
      .enum(["uniform", "score", "std", "sum_mean"])
      .default("uniform")
      .describe("Share of each response: equal, by its own reward's sign, by its prompt's deviation, or by its lead."),
    credit_limit: z
      .number()
      .positive()
      .nullable()
      .default(5)
      .describe("Largest share under sum_mean, which explodes where leads cancel; null is none (released)."),
    epsilon,
    then,
  })
  .describe("RiskPO: risk-averse advantages of the summed rewards of bundles of prompts.");

export const advantageSchema = z
  .discriminatedUnion("kind", [
    z
      .strictObject({
        kind: defaultKind("group"),
        scale: z
          .enum(["group", "batch", "none"])
          .default("group")
          .describe("Whose deviation divides: the group's (GRPO), the step's, or none (Dr. GRPO)."),
        std,
        epsilon,
        variance_floor: z.number().min(0).default(0).describe("Smaller variances count as this; 0 leaves them alone."),
        single,
        aggregation: z
          .enum(["sum_then_normalize", "normalize_each", "normalize_then_sum"])
          .default("sum_then_normalize")
          .describe(
            "Several rewards: summed, then normalised (the usual); each normalised in its group, then summed; or that and the sum over the step as well (GDPO).",
          ),
        then,
      })
      .describe("GRPO: reward minus the group's mean, over a deviation."),
    z
      .strictObject({ kind: z.literal("leave_one_out"), single, then })
      .describe("RLOO: reward minus the mean of the others."),
    z
      .strictObject({ kind: z.literal("length_weighted"), single, then })
      .describe("OPO: reward minus the length-weighted mean of the group."),
    z
      .strictObject({
        kind: z.literal("gpg"),
        norm: z.number().positive().default(1).describe("Divides the advantages; 1 as in the paper's main runs."),
        single,
        then,
      })
      .describe("GPG: centred rewards, scaled up by the share of rows that earned anything."),
    z
      .strictObject({
        kind: z.literal("pass_at_k"),
        scale: z.enum(["group", "none"]).default("group").describe("Whether the group's deviation divides."),
        std,
        epsilon,
        then,
      })
      .describe("Only the best of a group learns, by its lead over the second best."),
    z
      .strictObject({
        kind: z.literal("reinforce_pp"),
        gamma: z
          .number()
          .min(0)
          .max(1)
          .default(1)
          .describe("Discount per action; 1, since the reward is for the whole response."),
        then,
      })
      .describe("REINFORCE++: discounted returns, whitened over the step."),
    z
      .strictObject({
        kind: z.literal("reinforce_pp_baseline"),
        then,
      })
      .describe("REINFORCE++-baseline: reward minus the group's mean, whitened over the step."),
    z
      .strictObject({ kind: z.literal("remax"), then })
      .describe("ReMax: reward minus that of the greedy response to the same prompt."),
    z
      .strictObject({
        kind: z.literal("gae"),
        gamma: z.number().min(0).max(1).default(1).describe("Discount per action; 1 as in verl."),
        lambda: z.number().min(0).max(1).default(1).describe("Weight of longer horizons; 1 as in verl."),
        then,
      })
      .describe("PPO: generalised advantage estimation with a value head."),
    z
      .strictObject({
        kind: z.literal("process"),
        std,
        epsilon,
        then,
      })
      .describe("Process supervision: normalised step rewards, summed from each action on."),
    z
      .strictObject({
        kind: z.literal("stratified"),
        alpha: z
          .number()
          .min(0)
          .max(1)
          .default(0.8)
          .describe("Share of the advantage within the stratum; 0 is GRPO. The paper tunes it per model."),
        key: z
          .union([
            z.enum(["search_count", "tool_count", "turn_count", "tool_sequence", "call_outcome"]),
            z.strictObject({ component: z.string().describe("Reward component whose value is the key.") }),
          ])
          .default("search_count")
          .describe("What makes rows of a group alike; `{component: NAME}` is a reward of yours, with weight 0."),
        max_bucket: z
          .int()
          .positive()
          .nullable()
          .default(null)
          .describe("Counts from here on are one stratum; null keeps them apart."),
        std: std.default("population").describe("Divided by n, so that the variance in a stratum is 1."),
        epsilon,
        then,
      })
      .describe("Stratified GRPO: rewards normalised among rows of the same structure, blended with the group's."),
    riskMvar,
    z
      .strictObject({
        kind: z.literal("gigpo"),
        scale: z
          .enum(["group", "none"])
          .default("group")
          .describe("Whether deviations divide (ALFWorld, search) or not (WebShop)."),
        step_weight: z
          .number()
          .min(0)
          .default(1)
          .describe("omega: weight of the comparison within a state; the paper's."),
        gamma: z.number().min(0).max(1).default(0.95).describe("Discount per step of what follows it; the paper's."),
        invalid_penalty: z
          .number()
          .min(0)
          .default(0.1)
          .describe(
            "Taken off outcome and return of a step whose action the environment does not know; 0.01 in search.",
          ),
        stats_over: z
          .enum(["steps", "trajectories"])
          .default("steps")
          .describe(
            "Whether outcomes count once per step (as released, called more stable) or per trajectory (the paper).",
          ),
        similarity: z
          .number()
          .gt(0)
          .max(1)
          .nullable()
          .default(null)
          .describe("States at least this alike count as equal (0.9 in search); null compares them whole."),
        std,
        epsilon,
        then,
      })
      .describe("GiGPO: outcomes within the prompt group, plus returns of steps taken from the same state."),
    z
      .strictObject({
        kind: z.literal("soft_baseline"),
        temperature: z
          .number()
          .positive()
          .nullable()
          .default(null)
          .describe("tau of the baseline tau log mean exp(R / tau) (OPMD); null is its limit, the mean."),
        shift: z.number().default(0).describe("Added to the baseline; AsymRE takes -0.1, which also imitates."),
        single: single.default("reward"),
        then,
      })
      .describe("Reward minus a soft maximum of the group (OPMD) or a shifted mean (AsymRE)."),
    z
      .strictObject({
        kind: z.literal("span_group"),
        span: z.string().default("rank").describe("Name of the spans, from rollout.spans."),
        positions: z.int().positive().default(20).describe("Positions that have a reward; the paper's list length."),
        scale: z.enum(["group", "none"]).default("group").describe("Whether the deviation at the position divides."),
        std,
        epsilon,
        then,
      })
      .describe("Rank-GRPO: each position of a list is compared with the same position of the group's other lists."),
  ])
  .prefault({})
  .describe("How rewards become advantages.");

export type AdvantageConfig = z.output<typeof advantageSchema>;
export type AdvantageTransformConfig = AdvantageConfig["then"][number];
