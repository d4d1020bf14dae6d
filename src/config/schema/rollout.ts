import * as z from "zod";
import { environmentSchema } from "./environment.js";
import { defaultKind, regularExpression } from "./parts.js";

const parallel = z.strictObject({ kind: defaultKind("parallel") }).describe("The whole group from one prompt.");

const serialGroup = z
  .strictObject({
    kind: z.literal("serial_group"),
    exits: z.int().positive().default(8).describe("Early exits per full response; a group is these and the response."),
    positions: z
      .enum(["uniform", "even"])
      .default("uniform")
      .describe("Where to exit within the thought: drawn uniformly, as published, or at even distances."),
    inducer: z
      .string()
      .min(1)
      .default("Time is limited, stop thinking and start answering.\n</think>\n\n")
      .describe("Forced text that ends the thought at an exit; the published one."),
    end_of_thought: z.string().min(1).default("</think>").describe("Text that ends the thought."),
    answer_max_tokens: z.int().positive().default(1024).describe("Longest answer after an exit."),
    loss_tokens: z
      .enum(["policy_tokens_and_end_think", "policy_tokens", "all", "answer_only"])
      .default("policy_tokens_and_end_think")
      .describe("What is trained; with the forced end of the thought, exiting carries over to free generation."),
  })
  .describe("S-GRPO: one full response, and answers from early exits of its thought.");

const difficultyHint = z
  .strictObject({
    kind: z.literal("difficulty_hint"),
    guide: z.string().min(1).describe("Prompt that shows the answer, from whose completions hints are taken."),
    prompt: z.string().min(1).describe("Prompt made easier, with {hint} beside columns of the data row."),
    answer: z.string().default("answer").describe("Column of the answer, which no hint may tell."),
    window: z.int().positive().default(100).describe("Groups that a new one is compared with; the paper's."),
    delta_max: z
      .number()
      .positive()
      .default(2)
      .describe("Difference of mean rewards at which a hint is longest: the range of the reward."),
    level: z
      .union([z.literal("adaptive"), z.number().min(0).max(1)])
      .default("adaptive")
      .describe("Strength of a hint: by how much harder the prompt is, or always the same (the paper's ablation)."),
    hint_max: z.number().gt(0).max(1).default(0.5).describe("Share of a trace's sentences in the longest hint."),
    traces: z.int().positive().default(4).describe("Completions of `guide`, of which the best becomes the hint."),
    apply: z
      .enum(["replace", "append", "zero_variance"])
      .default("replace")
      .describe(
        "Completions of the easier prompt are trained in the place of the others, beside them, or in their place only where those all earned the same (the cheapest).",
      ),
  })
  .describe("DeepVideo-R1: prompts that are harder than those of late are drawn again with a hint.");

export const rolloutSchema = z
  .strictObject({
    strategy: z
      .discriminatedUnion("kind", [parallel, serialGroup, difficultyHint])
      .prefault({})
      .describe("How completions are drawn; `parallel` draws the whole group at once from one prefilled prompt."),
    environment: environmentSchema,
    group_size: z
      .int()
      .positive()
      .default(8)
      .describe("Completions per prompt. 8 gives a usable baseline at half the cost of the papers' 16 to 64."),
    max_completion_tokens: z
      .int()
      .positive()
      .default(256)
      .describe("A response that reaches this many tokens, observations included, is cut (`finish: length`)."),
    temperature: z
      .number()
      .min(0)
      .default(1)
      .describe("Divides the logits. At 1 the policy that is trained is the model itself."),
    top_p: z.number().gt(0).max(1).default(1).describe("Nucleus sampling; 1 is off, because it biases the gradient."),
    top_k: z
      .int()
      .min(0)
      .default(0)
      .describe("Draw among the k likeliest tokens; 0 is off, because it biases the gradient."),
    min_p: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .describe("Drop tokens below this share of the likeliest one; 0 is off, because it biases the gradient."),
    sync: z
      .strictObject({
        interval: z
          .int()
          .positive()
          .default(1)
          .describe("Steps between two copies of the trained weights for the sampler; 1 keeps it on-policy."),
        offset: z
          .int()
          .min(0)
          .default(0)
          .describe(
            "Steps until the sampler goes over to a copy, as if it ran ahead by so many; 0 keeps it on-policy.",
          ),
      })
      .prefault({})
      .describe(
        "How the sampler follows the trained weights. At 1 and 0 it reads them themselves; else it has a copy that lags behind.",
      ),
    spans: z
      .array(
        z.discriminatedUnion("kind", [
          z
            .strictObject({
              kind: z.literal("newline"),
              name: z.string().min(1).default("rank").describe("Name under which objective and advantage find them."),
              max_items: z.int().positive().default(20).describe("Lines beyond this share one span."),
            })
            .describe("One span per line of the response."),
        ]),
      )
      .default([])
      .describe("How responses are cut into named spans, for ratios and advantages of their own."),
    stop: z.array(z.string().min(1)).default([]).describe("Texts that end a completion, besides the end tokens."),
    phrases: z
      .record(
        z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "a phrase's name is letters, digits and underscores"),
        regularExpression,
      )
      .default({})
      .describe(
        "Regular expressions (case aside) that are counted in completions, by name: `phrase/NAME` is how often, `phrase/NAME_share` in how many. They change nothing.",
      ),
  })
  .prefault({})
  .describe("How completions are drawn.");

export type StrategyConfig = z.output<typeof rolloutSchema>["strategy"];
export type RolloutConfig = z.output<typeof rolloutSchema>;
