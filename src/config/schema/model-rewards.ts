import { z } from "zod";
import { pathString } from "./parts.js";
import { answer, common, pattern } from "./reward-parts.js";

const explanation = {
  answer: answer.describe("Template of the reference text."),
  tag: z.string().default("spiegazione").describe("Tag around the explanation; without it, all but the answer counts."),
  answer_tag: z.string().default("risposta").describe("Tag around the final answer."),
};

export const semanticReward = z
  .strictObject({
    ...common,
    kind: z.literal("semantic"),
    ...explanation,
    encoder: pathString().describe("Hugging Face folder of a BERT-style encoder with its tokenizer."),
    pooling: z
      .enum(["mean", "cls"])
      .default("mean")
      .describe("Which states stand for a text: their mean, or the first."),
    mapping: z
      .enum(["raw", "clip0", "affine"])
      .default("raw")
      .describe("The cosine as it is (the paper), at least 0, or moved into [0, 1]."),
    prefix: z.string().default("").describe("Put before every text; E5 encoders ask for `query: `."),
    min_chars: z
      .int()
      .min(0)
      .default(80)
      .describe("References shorter than this do not apply: short answers gain nothing (the published script)."),
  })
  .meta({ title: "semantic", description: "Cosine of explanation and reference under an encoder." });

export const rougeReward = z
  .strictObject({ ...common, kind: z.literal("rouge_l"), ...explanation })
  .meta({ title: "rouge_l", description: "ROUGE-L of explanation and reference: F1 of their common words in order." });

export const rewardModelReward = z
  .strictObject({
    ...common,
    kind: z.literal("reward_model"),
    path: pathString().describe(
      "Folder of a reward model: a checkpoint of a reward_model stage, or a Hugging Face sequence classifier of a supported decoder.",
    ),
    label: z
      .string()
      .optional()
      .describe("Which of its scores; needed where it has several. Rewards that name the same folder share one pass."),
    extract: pattern
      .optional()
      .describe(
        "Regular expression that finds the part of the completion to score: the last match, its first group if it has one. Where it finds nothing the reward does not apply.",
      ),
    map: z
      .enum(["none", "sigmoid", "minmax_group", "identity_clip"])
      .optional()
      .describe(
        "How a score becomes a reward; when absent `sigmoid` for models of pairs, whose scores have no scale, and `identity_clip` (into [0, 1]) for models of labels.",
      ),
    scope: z
      .enum(["group", "step"])
      .default("group")
      .describe("What one pass scores. A group is complete while others still decode; a step makes larger batches."),
  })
  .meta({ title: "reward_model", description: "Score of prompt and completion under a frozen reward model." });
