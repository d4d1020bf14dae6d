import * as z from "zod";
import { defaultKind, pathString } from "./parts.js";

/** Built-in task -> the options that it reads besides `split`. */
const builtinOptions = {
  addition: ["min", "max", "max_second", "seed"],
  grid_world: ["size", "walls", "count", "seed"],
} as const;

export const dataSourceSchema = z
  .strictObject({
    path: pathString()
      .optional()
      .describe("JSONL, CSV, Parquet or Arrow file, a Hugging Face dataset folder, or a folder of data files."),
    builtin: z.enum(["addition", "grid_world"]).optional().describe("Name of a built-in task, which needs no file."),
    split: z
      .string()
      .optional()
      .describe("Part to read, where a folder has several; of a built-in task `train` (when absent) or `test`."),
    limit: z.int().positive().optional().describe("Use the first so many rows; all when absent."),
    min: z.int().min(0).max(999).optional().describe("addition: smallest first number; 0 when absent."),
    max: z.int().min(1).max(999).optional().describe("addition: largest first number; 99 when absent."),
    max_second: z.int().min(1).max(999).optional().describe("addition: largest second number; `max` when absent."),
    size: z.int().min(2).max(16).optional().describe("grid_world: cells per side; 4 when absent."),
    walls: z.int().min(0).optional().describe("grid_world: cells that cannot be entered; 3 when absent."),
    count: z.int().positive().optional().describe("grid_world: most maps; 200 when absent."),
    seed: z.int().min(0).optional().describe("Which rows of a built-in task, and their order; 0 when absent."),
  })
  .superRefine((source, context) => {
    const complain = (key: string | null, message: string) =>
      context.addIssue({ code: "custom", path: key === null ? [] : [key], message });
    if (source.path === undefined && source.builtin === undefined) {
      complain(null, "give `path` (a file or folder) or `builtin` (a built-in task)");
    }
    if (source.path !== undefined && source.builtin !== undefined) {
      complain("builtin", "`path` is given as well; keep one of the two");
    }
    for (const key of new Set(Object.values(builtinOptions).flat())) {
      if (source[key] === undefined) continue;
      if (source.path !== undefined) complain(key, "has no effect on a file: it is an option of a built-in task");
      else if (source.builtin !== undefined && !builtinOptions[source.builtin].some((own) => own === key)) {
        complain(key, `has no effect on ${source.builtin}: it is an option of another built-in task`);
      }
    }
  });

const promptSchema = z
  .strictObject({
    template: z.string().optional().describe("Prompt text with {column} in it; {{ and }} are braces."),
    column: z
      .string()
      .optional()
      .describe(
        "Column that holds the prompt: text, or chat messages; `prompt` when neither this nor template is given.",
      ),
    system: z.string().optional().describe("System message of a chat prompt; messages that bring their own keep it."),
    chat: z
      .boolean()
      .optional()
      .describe(
        "Render through the tokenizer's chat template; when absent, chat messages are rendered and text is not.",
      ),
    chat_variables: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
      .optional()
      .describe("Further variables of the chat template, such as {enable_thinking: false} of Qwen3."),
  })
  .superRefine((prompt, context) => {
    if (prompt.template !== undefined && prompt.column !== undefined) {
      const message = "`template` is given as well; keep one of the two";
      context.addIssue({ code: "custom", path: ["column"], message });
    }
    const plain = prompt.chat === false || (prompt.template !== undefined && !prompt.chat);
    for (const key of ["system", "chat_variables"] as const) {
      if (prompt[key] === undefined || !plain) continue;
      context.addIssue({ code: "custom", path: [key], message: "has no effect on plain text; set chat: true" });
    }
  })
  .prefault({})
  .describe("How a row becomes a prompt.");

const selectSchema = z
  .strictObject({
    method: z
      .enum(["historical_variance", "learning_impact", "random"])
      .default("historical_variance")
      .describe(
        "What ranks the rows: how much their accuracy varied in an earlier run, how closely it followed the average, or chance.",
      ),
    history: pathString().optional().describe("accuracy-history.json of an earlier run with `sampler.history`."),
    id: z.string().optional().describe("Column that holds the ids of the history; the row number when absent."),
    ranks: z.array(z.int().positive()).min(1).default([1]).describe("Places to keep, counted from 1."),
  })
  .superRefine(({ method, history, id }, context) => {
    if (method !== "random" && history === undefined) {
      context.addIssue({ code: "custom", path: ["history"], message: "missing; these ranks come from an earlier run" });
    }
    if (method !== "random") return;
    for (const [key, value] of Object.entries({ history, id })) {
      if (value === undefined) continue;
      context.addIssue({ code: "custom", path: [key], message: "has no effect with method random" });
    }
  })
  .nullable()
  .default(null)
  .describe("Trains on a few chosen rows, repeated to fill each step; null takes all.");

export const dataSchema = z
  .strictObject({
    train: dataSourceSchema.describe("Rows to train on."),
    select: selectSchema,
    prompt: promptSchema,
    completion: z.string().default("{answer}").describe("Text that an sft stage teaches, with {column} in it."),
    metrics_by: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .describe(
        "Column whose values get reward metrics of their own, as `reward/mean@VALUE`: sources or types of problems, at most 50. Rows without it are left out; null is none.",
      ),
    max_prompt_tokens: z.int().positive().default(512).describe("Longer prompts are handled as `long_prompts` says."),
    long_prompts: z
      .enum(["drop", "error"])
      .default("drop")
      .describe("Dropped rows are counted and printed; a prompt is never cut."),
  })
  .describe("Rows, and how they become prompts.");

const history = z
  .boolean()
  .default(false)
  .describe("Writes accuracy-history.json: mean reward of each row at each visit, for `data.select` of a later run.");

export const samplerSchema = z
  .discriminatedUnion("kind", [
    z.strictObject({ kind: defaultKind("shuffle"), history }).describe("A new order in every epoch, from run.seed."),
    z.strictObject({ kind: z.literal("sequential"), history }).describe("The order of the data, epoch after epoch."),
  ])
  .prefault({})
  .describe("Order in which rows are drawn.");
