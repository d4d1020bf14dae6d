import * as z from "zod";

const componentName = z.string().nullable().default(null);

export const shapeSchema = z
  .array(
    z.discriminatedUnion("kind", [
      z
        .strictObject({
          kind: z.literal("clip"),
          min: z.number().describe("Smallest reward."),
          max: z.number().describe("Largest reward."),
        })
        .describe("Keeps the reward within bounds."),
      z
        .strictObject({
          kind: z.literal("soft_overlong"),
          max_tokens: z.int().positive().describe("Length at which the full penalty is reached; DAPO: 20480."),
          cache_tokens: z.int().positive().describe("Length of the ramp before it; DAPO: 4096."),
          factor: z.number().positive().default(1).describe("Size of the full penalty, as in DAPO."),
          floor: z
            .boolean()
            .default(true)
            .describe("Whether the penalty stays at -factor beyond max_tokens (DAPO), or falls on (verl)."),
        })
        .describe("DAPO's soft overlong punishment, added to the reward."),
      z
        .strictObject({
          kind: z.literal("repetition"),
          ngram: z.int().positive().default(3).describe("Tokens per n-gram; 3, as in TRL's examples."),
          max_penalty: z.number().max(0).default(-1).describe("Added when every n-gram is the same one."),
        })
        .describe("Penalty by the share of repeated n-grams of token ids, added to the reward."),
      z
        .strictObject({ kind: z.literal("balance") })
        .describe(
          "RED-Drop: takes random rows below the group's mean out, until they are no more than those at or above it.",
        ),
      z
        .strictObject({
          kind: z.literal("consistency"),
          coefficient: z.number().default(0.5).describe("Bonus of a fully accurate row; the paper's (its code: 1)."),
          model: z.string().default("reference").describe("Model slot that says how likely the answers are."),
          accuracy: componentName.describe("Reward component that says how right a row is; null is the total reward."),
          minimum: z.number().default(0.1).describe("Accuracy above which a row counts as right; as released."),
          upper: z
            .number()
            .positive()
            .nullable()
            .default(0.95)
            .describe("Confidences count at most this, so that certainty is not rewarded for its own sake."),
          margin: z.number().default(0).describe("How far below the mean a confidence may lie; 0.01 on general video."),
          tag: z.string().default("answer").describe("Name of the tag around the answer."),
          span: z
            .enum(["content", "release"])
            .default("content")
            .describe("Tokens of the answer: what lies between the tags, or the released rule, which counts tokens."),
          length: z
            .strictObject({
              min: z.number().min(0).nullable().default(320).describe("Shortest length rewarded; the release's."),
              max: z.number().min(0).nullable().default(512).describe("Longest length rewarded; the release's."),
              bonus: z.number().default(0.2).describe("Added to right rows of such length; the release's."),
            })
            .nullable()
            .default(null)
            .describe("A length reward, off as in the released runs."),
        })
        .describe("GRPO-CARE: a bonus for right rows whose answer the reference finds as likely as their peers'."),
      z
        .strictObject({
          kind: z.literal("serial_decay"),
          base: z
            .number()
            .min(1)
            .default(2)
            .describe("Divides the reward per earlier correct one; 1 gives all of them 1."),
          correct_at: z.number().default(1).describe("Reward from which a response is correct; rule rewards give 1."),
        })
        .describe("S-GRPO: the n-th correct response of a group, in order, earns base^(1 - n); wrong ones 0."),
      z
        .strictObject({
          kind: z.literal("weighted_sum"),
          weights: z
            .record(z.string(), z.number().min(0))
            .refine(
              (weights) => Object.values(weights).some((weight) => weight > 0),
              "give at least one component with a weight above 0, as in {safety: 1}",
            )
            .nullable()
            .default(null)
            .describe("Weight of each component, null for those of `rewards`; divided by their sum."),
          gate: z
            .strictObject({
              component: z.string().describe("One of the components in `weights`."),
              min: z.number().describe("Scores below this are all that counts: the reward is the score minus 1."),
            })
            .nullable()
            .default(null)
            .describe("A constraint that comes before the sum; none, since the published method is a plain sum."),
        })
        .describe("Several objectives as one reward: the weighted mean of components, in place of the total."),
      z
        .strictObject({
          kind: z.literal("elliptical"),
          beta: z.number().min(0).default(0.01).describe("Weight of the bonus; the paper's (its code: 1)."),
          alpha: z.number().default(1).describe("Weight of the reward so far."),
          lambda: z.number().positive().default(0.01).describe("Ridge of the covariance; the paper's."),
          dim: z
            .int()
            .positive()
            .default(32)
            .describe("Size of the random projection; the paper's for MATH and GSM8K."),
          type: z
            .enum(["leverage", "leave_one_out"])
            .default("leverage")
            .describe("Novelty within the group (bounded by 1), or against the others (unbounded)."),
          normalize: z
            .enum(["none", "rnd", "z_score"])
            .default("none")
            .describe("Over the group's deviation, or centred too; none, as in the paper's runs."),
          reproject: z
            .boolean()
            .default(true)
            .describe("Draws the projection anew in every step, as released; false keeps the first."),
          persist: z
            .string()
            .nullable()
            .default(null)
            .describe(
              "Column that identifies a prompt, to measure against all earlier visits too; null looks at the group.",
            ),
          gate: z
            .strictObject({
              none_correct: z.boolean().default(true).describe("No bonus in groups without a correct row."),
              some_correct: z.boolean().default(false).describe("No bonus in groups with correct and wrong rows."),
              all_correct: z.boolean().default(false).describe("No bonus in groups without a wrong row."),
              wrong: z.boolean().default(false).describe("No bonus for wrong rows."),
            })
            .prefault({})
            .describe("Where the bonus is off, judged by rewards of 0 and 1."),
          model: z.string().default("reference").describe("Model slot that the hidden states come from."),
        })
        .superRefine(({ persist, type, reproject }, context) => {
          if (persist === null) return;
          const complain = (path: string, message: string) =>
            context.addIssue({ code: "custom", path: [path], message });
          if (type !== "leverage") complain("type", "is not defined with persist; use leverage");
          if (reproject) complain("reproject", "persist compares visits, which needs one projection; set it to false");
        })
        .describe("RepExp: a bonus for responses whose hidden states differ from those of their group."),
      z
        .strictObject({ kind: z.literal("mask_truncated") })
        .describe(
          "Rows that did not end by themselves keep their reward but are not trained (DAPO's overlong filtering).",
        ),
      z
        .strictObject({
          kind: z.literal("unlikeliness"),
          beta: z.number().min(0).max(1).default(0.25).describe("Strength; the paper's value. 0 changes nothing."),
          logprob: z
            .enum(["mean", "sum"])
            .default("mean")
            .describe("Samples are ranked by mean log-prob per token, as in the released code, or by the sum."),
          first_place: z
            .union([z.literal(0), z.literal(1)])
            .default(1)
            .describe("Place of the most probable sample: 1 as in the released code; the paper counts from 0."),
          uplift: z
            .boolean()
            .default(false)
            .describe(
              "Records which right samples the step made more probable, by quarter of their places; costs one more pass.",
            ),
        })
        .describe("Unlikeliness reward: the more probable a sample within its group, the smaller its reward."),
      z
        .strictObject({
          kind: z.literal("lambda_length"),
          lambda: z.number().min(0).max(1).default(0.2).describe("Share of the step's groups under length pressure."),
          alpha: z
            .number()
            .min(0)
            .max(1)
            .default(0.2)
            .describe("Largest loss of reward; up to 1, a right response stays above a wrong one."),
          rounding: z.enum(["ceil", "floor"]).default("ceil").describe("Of lambda x groups; ceil keeps at least one."),
          min_ratio: z
            .number()
            .min(0)
            .max(1)
            .default(0)
            .describe("Groups need more than this share of right responses."),
          component: z
            .string()
            .nullable()
            .default(null)
            .describe("Reward whose positive value means right; null is the total."),
        })
        .describe("GRPO-lambda: right responses of the best groups are rewarded for being short."),
    ]),
  )
  .default([])
  .describe("Reward transforms, in order.");

export type ShapeConfig = z.output<typeof shapeSchema>;
