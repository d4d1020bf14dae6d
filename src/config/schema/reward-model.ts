import * as z from "zod";
import { defaultKind } from "./parts.js";

const pooling = z.enum(["last", "mean", "cls"]);

const pairs = z
  .strictObject({
    kind: defaultKind("pairs"),
    chosen: z.string().default("{chosen}").describe("Template of the better response over the columns of the row."),
    rejected: z.string().default("{rejected}").describe("Template of the worse one."),
    pooling: pooling
      .default("last")
      .describe("Whose state is scored; the last token has seen the whole text, as in Hugging Face classifiers."),
    max_length_ratio: z
      .number()
      .min(1)
      .nullable()
      .default(2)
      .describe(
        "Pairs with one text longer than this many times the other are left out: length would tell them apart.",
      ),
    max_similarity: z
      .number()
      .gt(0)
      .max(1)
      .nullable()
      .default(0.98)
      .describe("Pairs whose texts share more of their characters at both ends are left out: they differ by noise."),
  })
  .describe("Bradley-Terry: the chosen response shall score higher than the rejected one of the same row.");

const labels = z
  .strictObject({
    kind: z.literal("labels"),
    response: z.string().default("{response}").describe("Template of the response over the columns of the row."),
    labels: z
      .record(
        z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "a label's name is letters, digits and underscores"),
        z
          .strictObject({
            column: z.string().min(1).optional().describe("Column with its score; its name when absent."),
            min: z.number().default(0).describe("Lowest score; becomes 0."),
            max: z.number().default(1).describe("Highest score; becomes 1."),
          })
          .refine(({ min, max }) => min < max, { message: "must be above `min`", path: ["max"] }),
      )
      .refine((value) => Object.keys(value).length > 0, "give at least one label")
      .describe("Scores to learn, by name; a row without one of them does not teach it."),
    pooling: pooling
      .default("mean")
      .describe("Whose states are scored: their mean, so that every part of a text counts."),
    activation: z
      .enum(["linear", "sigmoid"])
      .default("linear")
      .describe("Of the outputs; linear has the same slope at good and bad texts."),
  })
  .describe("Regression of several scores at once (multi-objective GRPO); each becomes a reward of its own.");

export const rewardModelSchema = z
  .discriminatedUnion("kind", [pairs, labels])
  .prefault({})
  .describe("What a `reward_model` stage learns from: pairs of responses, or scores of responses.");

export type RewardModelConfig = z.output<typeof rewardModelSchema>;
