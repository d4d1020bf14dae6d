import * as z from "zod";

export const checkpointSchema = z
  .strictObject({
    every: z
      .int()
      .min(0)
      .default(50)
      .describe("Steps between two checkpoints, 0 = none in between; the end of a stage is always saved."),
    keep_last: z.int().positive().default(2).describe("Older checkpoints are removed; 2 survive a damaged last one."),
    keep_best: z
      .string()
      .regex(/^eval\/.+$/, 'the name of an evaluation metric, such as "eval/accuracy"')
      .nullable()
      .default(null)
      .describe("Also keep the checkpoint with the highest value of this metric; null is off."),
  })
  .prefault({})
  .describe("What is saved, and how much of it is kept.");
