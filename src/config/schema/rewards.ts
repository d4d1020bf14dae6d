import { z } from "zod";
import { rewardModelReward, rougeReward, semanticReward } from "./model-rewards.js";
import { pathString } from "./parts.js";
import { answer, common, ignoreCase, pattern, userCode } from "./reward-parts.js";

const moduleReward = z
  .strictObject({
    ...common,
    kind: z.literal("module"),
    module: pathString().describe("Path of a JavaScript or TypeScript file; its default export scores samples."),
    ...userCode,
  })
  .meta({ title: "module", description: "The default export of a file: (samples, context) => (number | null)[]." });

const commandReward = z
  .strictObject({
    ...common,
    kind: z.literal("command"),
    command: z
      .union([z.string().min(1), z.array(z.string()).min(1)])
      .describe("Shell line, or program and arguments; started once, in the folder of the config."),
    ...userCode,
  })
  .meta({ title: "command", description: "A program in any language: one JSON line in, one out, per call." });

const exactReward = z
  .strictObject({
    ...common,
    kind: z.literal("exact"),
    answer,
    extract: pattern
      .optional()
      .describe(
        "Regular expression that finds the answer in the completion: the last match counts, its first group if it has one. Without it the whole completion is compared.",
      ),
    strip: z.boolean().default(true).describe("Ignore white space at both ends; models put a space before most words."),
    ignore_case: ignoreCase,
  })
  .meta({ title: "exact", description: "1 where the completion equals the answer, else 0." });

const mathReward = z
  .strictObject({
    ...common,
    kind: z.literal("math"),
    answer,
    look_for: z
      .array(z.enum(["latex", "expr"]))
      .min(1)
      .default(["latex", "expr"])
      .describe("Where an answer may stand: in TeX delimiters or a box, or as a bare number. Both, since models vary."),
    precision: z
      .number()
      .int()
      .min(0)
      .max(12)
      .default(6)
      .describe("Decimals that count where one side is written with a decimal point; 6 is what Math-Verify uses."),
    strict: z.boolean().default(true).describe("Tell unknowns apart by their names; off, f(x) equals f(y)."),
    allow_set_relation: z
      .boolean()
      .default(false)
      .describe("Let an inequality answer where a set is asked for; off, since the question then asked for the set."),
  })
  .meta({
    title: "math",
    description: "1 where the answer found in the completion equals the given one as mathematics.",
  });

const regexReward = z
  .strictObject({
    ...common,
    kind: z.literal("regex"),
    pattern: pattern.describe("Regular expression searched in the completion; `.` matches line ends."),
    answer: answer.optional().describe("If given, a group of a match must also equal this template."),
    group: z
      .union([z.number().int().min(0), z.string()])
      .default(1)
      .describe("Number or name of the group compared with `answer`; 1, the usual single group."),
    ignore_case: ignoreCase,
  })
  .meta({ title: "regex", description: "1 where the pattern matches, else 0." });

const formatReward = z
  .strictObject({
    ...common,
    kind: z.literal("format"),
    tags: z
      .array(z.string().regex(/^[^<>/\s]+$/, "a tag is given by its name alone, as in `think`"))
      .min(1)
      .optional()
      .describe(
        "Blocks <tag>...</tag> that make up the completion, in this order, with white space alone between them.",
      ),
    pattern: pattern.optional().describe("Regular expression that must match the whole completion."),
    partial: z
      .boolean()
      .default(false)
      .describe("With tags: score the share of tag marks that are in place instead of all or nothing."),
  })
  .superRefine((value, context) => {
    if ((value.tags === undefined) === (value.pattern === undefined)) {
      context.addIssue({ code: "custom", message: "a format reward takes either `tags` or `pattern`", path: ["tags"] });
    }
    if (value.partial && value.pattern !== undefined) {
      context.addIssue({ code: "custom", message: "has no effect with `pattern`; use `tags`", path: ["partial"] });
    }
  })
  .meta({ title: "format", description: "1 where the completion has the given form, else 0." });

const lengthReward = z
  .strictObject({
    ...common,
    kind: z.literal("length"),
    unit: z
      .enum(["tokens", "characters", "words"])
      .default("tokens")
      .describe("What is counted; tokens are what costs time."),
    target: z.number().nonnegative().optional().describe("The length that scores 1: short for min = max = target."),
    min: z.number().nonnegative().optional().describe("Shortest length that scores 1."),
    max: z.number().nonnegative().optional().describe("Longest length that scores 1."),
    margin: z
      .number()
      .nonnegative()
      .optional()
      .describe(
        "Distance from [min, max] at which the score has fallen to 0, linearly. Defaults to the target, or to 0 (all or nothing) with min or max.",
      ),
  })
  .superRefine((value, context) => {
    const bounded = value.min !== undefined || value.max !== undefined;
    if ((value.target !== undefined) === bounded) {
      context.addIssue({
        code: "custom",
        message: "a length reward takes either `target`, or `min` and `max`",
        path: ["target"],
      });
    }
    if (value.min !== undefined && value.max !== undefined && value.min > value.max) {
      context.addIssue({ code: "custom", message: "is above `max`, so no length can score", path: ["min"] });
    }
  })
  .meta({ title: "length", description: "1 at the wanted length, falling linearly to 0 at `margin` from it." });

const latexBoxedReward = z
  .strictObject({
    ...common,
    kind: z.literal("latex_boxed"),
    answer: answer.describe("Template of the expected answer; a column that holds a list gives one text per mask."),
    answers: z
      .enum(["auto", "choice", "fill"])
      .default("auto")
      .describe("Letter of a choice, or texts; `auto` takes a single capital letter for a choice."),
    format_weight: z.number().min(0).max(1).default(0.1).describe("Share of the score for having a box; the paper's."),
    normalise: z
      .enum(["basic", "extended"])
      .default("basic")
      .describe("Before comparing: blanks and bold go (the paper), or sizing, thin spaces and \\mathrm too."),
  })
  .meta({
    title: "latex_boxed",
    description: "Answers in \\boxed{}, compared as LaTeX: letters, or one text per mask.",
  });

const recommendationReward = z
  .strictObject({
    ...common,
    kind: z.literal("recommendation"),
    ground_truth: z.string().default("groundtruth_with_release_year").describe("Column with a list of [title, year]."),
    seen: z.string().nullable().default("seen_titles").describe("Column with titles that may not be recommended."),
    catalog: pathString().describe("JSON file with a list of [title, year]; what is not in it is no hit."),
    max_items: z.int().positive().default(20).describe("Length of the list; the paper's."),
    form: z
      .enum(["exp_inf", "log_decay", "exp_gamma"])
      .default("exp_inf")
      .describe("Reward of a rank: its own hit (as released), the DCG from it on, or hits that decay by gamma."),
    gamma: z.number().positive().default(2).describe("Decay per rank of exp_gamma."),
    year_tolerance: z.int().min(0).default(2).describe("Years a recommendation may be off; the paper's."),
    ranks: z
      .enum(["lines", "parsed"])
      .default("lines")
      .describe("Rank is the line, as tokens are segmented, or the place among lines that parse (as released)."),
  })
  .meta({
    title: "recommendation",
    description: "Hits of a list with one `Title (YYYY)` per line, one reward per rank.",
  });
const columnReward = z
  .strictObject({
    ...common,
    kind: z.literal("column"),
    column: z.string().min(1).describe("Column of the data row that holds the value."),
  })
  .meta({ title: "column", description: "A number that the data row holds already." });

const typedAnswerReward = z
  .strictObject({
    ...common,
    kind: z.literal("typed_answer"),
    answer,
    type: z
      .string()
      .default("{problem_type}")
      .describe("Template of the question's type: multiple choice, numerical, OCR, free-form, regression."),
    tag: z.string().default("answer").describe("Name of the tag around the answer; the first block counts."),
  })
  .meta({ title: "typed_answer", description: "Nearness to the answer, 0 to 1, by the type of the question." });

const qaReward = z
  .strictObject({
    ...common,
    kind: z.literal("qa"),
    answer: answer.describe("Template of the right answer; a column that holds a list gives several."),
    match: z
      .enum(["exact", "substring"])
      .default("exact")
      .describe("Equal to a right answer once case, punctuation and articles are gone, or holding one."),
    answer_source: z
      .enum(["policy", "transcript"])
      .default("policy")
      .describe(
        "Where `<answer>` is looked for: what the policy wrote, or prompt and response, as released, where examples in the prompt count.",
      ),
    format_score: z.number().default(0).describe("For an answer that does not match; the paper pays none."),
    structure: z
      .strictObject({
        structure: z.number().default(0.2).describe("For a transcript of the right form without the right answer."),
        final: z.number().default(0.1).describe("For a wrong answer in a transcript of the wrong form."),
        retrieval: z.number().default(0).describe("Added where the form is right and a document holds the answer."),
      })
      .nullable()
      .default(null)
      .describe("Format-aware scores of Search-R1 v0.3; null scores the answer alone."),
  })
  .superRefine((value, context) => {
    if (value.structure === null || value.format_score === 0) return;
    context.addIssue({ code: "custom", message: "has no effect with `structure`", path: ["format_score"] });
  })
  .meta({ title: "qa", description: "1 where the last <answer> matches a right one, else 0 (Search-R1)." });

const temporalIouReward = z
  .strictObject({
    ...common,
    kind: z.literal("temporal_iou"),
    answer: answer.describe(
      "Template of the right stretches of time; a column that holds [[start, end], ...] will do.",
    ),
    tag: z
      .string()
      .nullable()
      .default("answer")
      .describe("Tag around the answer, the last one counts; null reads the whole completion."),
  })
  .meta({
    title: "temporal_iou",
    description:
      "Common share of the stretches of time that answer and right answer name, as `12.5 to 30` or `0:12-0:30`.",
  });

const environmentReward = z
  .strictObject({ ...common, kind: z.literal("environment") })
  .meta({ title: "environment", description: "Sum of what rollout.environment paid for the actions." });

/** One reward component, by `kind`. */
export const rewardSchema = z.discriminatedUnion("kind", [
  moduleReward,
  commandReward,
  exactReward,
  mathReward,
  regexReward,
  formatReward,
  lengthReward,
  latexBoxedReward,
  recommendationReward,
  columnReward,
  typedAnswerReward,
  qaReward,
  temporalIouReward,
  environmentReward,
  semanticReward,
  rougeReward,
  rewardModelReward,
]);

/** The `rewards` section: named, weighted components. */
export const rewardsSchema = z
  .array(rewardSchema)
  .superRefine((rewards, context) => {
    const names = rewards.map((reward) => reward.name);
    rewards.forEach((reward, index) => {
      if (names.indexOf(reward.name) !== index) {
        const message = `a reward named "${reward.name}" is there already`;
        context.addIssue({ code: "custom", message, path: [index, "name"] });
      }
      if (reward.times !== undefined && !names.includes(reward.times)) {
        const message = `no reward is named "${reward.times}"; there are: ${names.join(", ")}`;
        context.addIssue({ code: "custom", message, path: [index, "times"] });
      }
      const needs = "needs" in reward ? reward.needs : [];
      needs.forEach((need, place) => {
        if (!names.includes(need)) {
          const message = `no reward is named "${need}"; there are: ${names.join(", ")}`;
          context.addIssue({ code: "custom", message, path: [index, "needs", place] });
        }
      });
    });
  })
  .describe("Reward components; the total is their weighted sum over those that apply.");

export type RewardSpec = z.infer<typeof rewardSchema>;
export type RewardSpecOf<Kind extends RewardSpec["kind"]> = Extract<RewardSpec, { kind: Kind }>;
