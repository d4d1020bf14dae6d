import * as z from "zod";
import { pathString } from "./parts.js";

export const dataSourceSchema = z.strictObject({
  path: pathString().optional().describe("JSONL, CSV, Parquet or Arrow file, or a Hugging Face dataset folder."),
  builtin: z.string().optional().describe("Name of a built-in task."),
});

export const dataSchema = z
  .strictObject({
    train: dataSourceSchema.describe("Rows to train on."),
    prompt: z
      .strictObject({
        template: z.string().optional().describe("Prompt text with {column} in it."),
        column: z.string().optional().describe("Column that holds the prompt: text, or chat messages."),
        system: z.string().optional().describe("System message of a chat prompt."),
        chat: z.boolean().default(false).describe("Render through the tokenizer's chat template."),
      })
      .prefault({})
      .describe("How a row becomes a prompt."),
    completion: z.string().default("{answer}").describe("Text that an sft stage teaches, with {column} in it."),
    max_prompt_tokens: z.int().positive().default(512).describe("Longer prompts are handled as `long_prompts` says."),
    long_prompts: z
      .enum(["drop", "error"])
      .default("drop")
      .describe("Dropped rows are counted and printed; a prompt is never cut."),
  })
  .describe("Rows, and how they become prompts.");

export const samplerSchema = z
  .discriminatedUnion("kind", [z.strictObject({ kind: z.literal("shuffle").optional().default("shuffle") })])
  .prefault({})
  .describe("Order in which rows are drawn.");
