import * as z from "zod";
import { defaultKind } from "./parts.js";

export const rolloutSchema = z
  .strictObject({
    strategy: z
      .discriminatedUnion("kind", [z.strictObject({ kind: defaultKind("parallel") })])
      .prefault({})
      .describe("How completions are drawn; `parallel` draws the whole group at once from one prefilled prompt."),
    environment: z.null().default(null).describe("No environment: one prompt, one completion."),
    group_size: z
      .int()
      .positive()
      .default(8)
      .describe("Completions per prompt. 8 gives a usable baseline at half the cost of the papers' 16 to 64."),
    max_completion_tokens: z
      .int()
      .positive()
      .default(256)
      .describe("A completion that reaches this many tokens is cut (`finish: length`)."),
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
          .literal(1)
          .default(1)
          .describe("Steps between two hand-overs; the sampler reads the trained weights."),
        offset: z
          .literal(0)
          .default(0)
          .describe("Steps that the sampler lags behind; none, it has no copy of its own."),
      })
      .prefault({})
      .describe("How the sampler follows the trained weights: at every step, because both are the same weights."),
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
  })
  .prefault({})
  .describe("How completions are drawn.");
