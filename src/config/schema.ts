import * as z from "zod";
import { advantageSchema } from "./schema/advantage.js";
import { checkpointSchema } from "./schema/checkpoint.js";
import { collectSchema } from "./schema/collect.js";
import { dataSchema, samplerSchema } from "./schema/data.js";
import { evalSchema } from "./schema/eval.js";
import { modelSchema, modelsSchema } from "./schema/model.js";
import { objectiveSchema } from "./schema/objective.js";
import { optimizerSchema } from "./schema/optimizer.js";
import { rewardModelSchema } from "./schema/reward-model.js";
import { rewardsSchema } from "./schema/rewards.js";
import { rolloutSchema } from "./schema/rollout.js";
import { runSchema } from "./schema/run.js";
import { shapeSchema } from "./schema/shape.js";
import { trainSchema } from "./schema/train.js";

/** Sections that hold for the whole run. */
const runSections = { run: runSchema, model: modelSchema };

/** Sections that a stage may override. */
const stageSections = {
  models: modelsSchema,
  data: dataSchema,
  sampler: samplerSchema,
  rollout: rolloutSchema,
  rewards: rewardsSchema.default([]),
  collect: collectSchema,
  shape: shapeSchema,
  advantage: advantageSchema,
  objective: objectiveSchema,
  reward_model: rewardModelSchema,
  optimizer: optimizerSchema,
  train: trainSchema,
  eval: evalSchema,
  checkpoint: checkpointSchema,
};

/** One stage's whole configuration: what `stages[i]` says on top of what the file says at the top. */
export const sectionsSchema = z.strictObject({ ...runSections, ...stageSections });

const stageHead = {
  kind: z
    .enum(["sft", "grpo", "reward_model"])
    .describe(
      "What the stage does: `sft` teaches `data.completion`, `grpo` rolls out, scores and updates, `reward_model` turns the model into one that scores texts.",
    ),
  name: z
    .string()
    .regex(/^[\w.-]+$/, "letters, digits, dot, dash and underscore")
    .optional()
    .describe("Name of the stage in metrics and messages; its kind when absent."),
};

/** Head of an item of `stages`; the rest of the item are sections. */
export const stageHeadSchema = z.object(stageHead);

/** The file as a whole, for editors and `config explain`: what it extends may hold the rest, so nothing is required. */
export const configSchema = z.strictObject({
  extends: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .meta({ path: true })
    .describe("`recipe:NAME`, or the path of another config; what is written here wins. Several apply in order."),
  ...sectionsSchema.partial().shape,
  stages: z
    .array(z.strictObject({ ...stageHead, ...z.object(stageSections).partial().shape }))
    .default([])
    .describe("Stages in order, each with overrides of the sections above; one `grpo` stage when empty."),
});

export type Sections = z.output<typeof sectionsSchema>;

/** One stage, fully defaulted. */
export interface Stage extends Omit<Sections, keyof typeof runSections> {
  kind: z.output<typeof stageHeadSchema>["kind"];
  name: string;
}

/** A run, fully defaulted: always at least one stage. Paths are absolute. */
export interface Config extends Pick<Sections, keyof typeof runSections> {
  stages: Stage[];
}
