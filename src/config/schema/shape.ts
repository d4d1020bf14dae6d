import * as z from "zod";

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
        .strictObject({ kind: z.literal("mask_truncated") })
        .describe(
          "Rows that did not end by themselves keep their reward but are not trained (DAPO's overlong filtering).",
        ),
    ]),
  )
  .default([])
  .describe("Reward transforms, in order.");

export type ShapeConfig = z.output<typeof shapeSchema>;
