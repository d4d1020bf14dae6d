import * as z from "zod";
import { pathString } from "./parts.js";

const common = {
  max_turns: z
    .int()
    .min(0)
    .default(4)
    .describe("Actions of a trajectory (Search-R1's value); a search is followed by one more turn for the answer."),
  max_turn_tokens: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe("Longest action in tokens; null bounds it by what is left of rollout.max_completion_tokens."),
  max_observation_tokens: z
    .int()
    .positive()
    .default(500)
    .describe("Longest observation in tokens, cut on the right (Search-R1's value)."),
  step_prompts: z
    .strictObject({
      template: z
        .string()
        .default("{observation}")
        .describe(
          "Prompt of a step after the first, with {observation}, {history}, {step} (its number), {taken} (steps before it) and columns of the data row.",
        ),
      history: z.int().min(0).default(2).describe("Steps before it that {history} shows (GiGPO: 2, search 4)."),
      history_item: z
        .string()
        .default("[Observation {k}: '{observation}', Action {k}: '{action}']")
        .describe(
          "A line of {history}, with {k}, the {observation} before the {action}, and its {result}; the published form.",
        ),
    })
    .nullable()
    .default(null)
    .describe(
      "A prompt of its own for every step, which is a row of its own in training (GiGPO); null lets one conversation grow. The first step has the prompt of the data row; rollout.max_completion_tokens then bounds each step.",
    ),
};

const actions = z
  .union([
    z.literal("text"),
    z.strictObject({
      tags: z.strictObject({
        tail: z
          .int()
          .positive()
          .default(30)
          .describe("Characters from the end of a text without tags that are its action (ALFWorld: 30, WebShop: 20)."),
      }),
    }),
  ])
  .default("text")
  .describe(
    "Where an action stands: the whole text, or `{tags: {}}`: in <action> tags after a thought in <think> tags, else it is not valid (GiGPO).",
  );

const search = z
  .strictObject({
    kind: z.literal("search"),
    ...common,
    corpus: pathString()
      .optional()
      .describe(
        "Folder of .txt files, or data file or folder with the columns `contents` (title, line end, body), or `title` and `text`: searched by BM25.",
      ),
    url: z
      .url()
      .optional()
      .describe("A retriever that answers POST {queries, topk, return_scores}, as the servers of Search-R1 do."),
    topk: z.int().positive().default(3).describe("Documents per search; the paper's."),
    actions: z
      .enum(["first", "single"])
      .default("first")
      .describe(
        "What is valid: the first complete pair of tags (Search-R1), or only texts that open a single one (GiGPO).",
      ),
    timeout_s: z.number().positive().default(30).describe("Seconds that `url` may take to answer."),
  })
  .superRefine(({ corpus, url }, context) => {
    if ((corpus === undefined) === (url === undefined)) {
      context.addIssue({ code: "custom", path: ["corpus"], message: "give either `corpus` (a file) or `url`" });
    }
  })
  .describe("Search-R1: `<search>` asks a retriever, `<answer>` ends.");

const gridWorld = z
  .strictObject({
    kind: z.literal("grid_world"),
    ...common,
    actions,
    column: z.string().min(1).default("map").describe("Column of the data row that holds the map."),
    goal_reward: z.number().default(1).describe("Paid for the move onto the goal."),
    step_reward: z.number().default(0).describe("Paid for every action; 0 leaves the reward sparse."),
  })
  .describe("A walker A in a map of . and # looks for G; u, d, l, r move it.");

const userModule = z
  .strictObject({
    kind: z.literal("module"),
    ...common,
    actions,
    module: pathString().describe("JavaScript or TypeScript file; its default export begins a run on a data row."),
    timeout_s: z.number().positive().default(10).describe("Seconds one call may take; enough for a local service."),
  })
  .describe("An environment of your own: (record, { seed }) => ({ anchor?, step(action, final) }).");

/** What answers the actions of the policy. */
export const environmentSchema = z
  .discriminatedUnion("kind", [search, gridWorld, userModule])
  .nullable()
  .default(null)
  .describe("What answers the policy after each action; null: one prompt, one completion.");

export type EnvironmentConfig = NonNullable<z.output<typeof environmentSchema>>;
