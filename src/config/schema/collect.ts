import * as z from "zod";

export const collectSchema = z
  .strictObject({
    zero_variance: z
      .enum(["keep", "drop", "resample"])
      .default("keep")
      .describe(
        "Groups of equal rewards: trained with advantage 0, left out, or replaced by new prompts (DAPO's dynamic sampling).",
      ),
    max_resamples: z
      .int()
      .positive()
      .default(10)
      .describe("Rounds of new prompts in a step before it goes on with what it has; verl's max_num_gen_batches."),
    min_rows: z
      .int()
      .min(0)
      .default(0)
      .describe("Rows needed before a step trains; groups wait in the buffer until then. 0 trains every step."),
  })
  .prefault({})
  .describe("Which groups are trained, and when.");

export type CollectConfig = z.output<typeof collectSchema>;
