import * as z from "zod";
import { dataSourceSchema } from "./data.js";

export const evalSchema = z
  .strictObject({
    every: z
      .int()
      .min(0)
      .default(0)
      .describe("Steps between two evaluations; 0 evaluates only before the first step and after the last."),
    at_start: z.boolean().default(true).describe("Evaluate before the first step: without it a gain cannot be told."),
    data: dataSourceSchema.describe("Rows to evaluate on; use prompts that are never trained on."),
    limit: z.int().positive().optional().describe("Use the first so many rows; all when absent."),
    samples: z.int().positive().default(1).describe("Completions per prompt."),
    temperature: z
      .number()
      .min(0)
      .optional()
      .describe("Sampling temperature, 0 = greedy; that of the rollout when absent, so that train and eval compare."),
    max_completion_tokens: z.int().positive().optional().describe("Length limit; that of the rollout when absent."),
  })
  .nullable()
  .default(null)
  .describe("Evaluation during training, with the same rewards; null is off.");
