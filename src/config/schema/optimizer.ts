import * as z from "zod";
import { defaultKind } from "./parts.js";

const warmup = z
  .int()
  .min(0)
  .default(0)
  .describe("Steps over which the rate rises linearly from 0; TRL and verl use none.");
const finalRatio = z.number().min(0).max(1).default(0).describe("Rate at the last step, as a share of learning_rate.");

export const scheduleSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: defaultKind("constant"), warmup_steps: warmup }).describe("The same rate at every step."),
  z
    .strictObject({ kind: z.literal("linear"), warmup_steps: warmup, final_ratio: finalRatio })
    .describe("Falls in a straight line to the last step."),
  z
    .strictObject({ kind: z.literal("cosine"), warmup_steps: warmup, final_ratio: finalRatio })
    .describe("Falls along half a cosine to the last step."),
  z
    .strictObject({
      kind: z.literal("wsd"),
      warmup_steps: warmup,
      decay_steps: z.int().positive().describe("Length of the linear fall at the end, in steps."),
      final_ratio: finalRatio,
    })
    .describe("Warm-up, a long constant part, and a short linear fall at the end."),
]);

const beta = (value: number, reason: string) => z.number().min(0).lt(1).default(value).describe(reason);

export const optimizerSchema = z
  .discriminatedUnion("kind", [
    z.strictObject({
      kind: defaultKind("adamw"),
      learning_rate: z
        .number()
        .min(0)
        .default(1e-6)
        .describe("Step size. 1e-6 is the usual value for full fine-tuning with GRPO; tiny models take 1e-4 to 1e-3."),
      beta1: beta(0.9, "Decay of the first moment, as in AdamW."),
      beta2: beta(0.999, "Decay of the second moment, as in AdamW."),
      epsilon: z.number().positive().default(1e-8).describe("Added to the root of the second moment, as in AdamW."),
      weight_decay: z.number().min(0).default(0).describe("Decoupled decay; off, as in TRL and DAPO."),
      max_grad_norm: z
        .number()
        .positive()
        .nullable()
        .default(1)
        .describe("Gradients are scaled down to this global norm, as in TRL and verl; null is off."),
      skip_grad_norm: z
        .number()
        .positive()
        .nullable()
        .default(null)
        .describe(
          "An update whose gradient norm before scaling is this or more is left out (Rewarding the Unlikely: 20); null is off.",
        ),
      moments: z
        .enum(["f32", "int8"])
        .default("f32")
        .describe(
          "int8 keeps both moments in blocks of 8-bit codes: 2 bytes per weight instead of 8, slightly rounded.",
        ),
      non_finite: z
        .enum(["stop", "skip"])
        .default("stop")
        .describe(
          "After an update without a finite loss and gradient, which is never made: stop, since more will follow, or go on with the next (LLDS).",
        ),
      schedule: scheduleSchema.prefault({}).describe("The learning rate over the steps of the stage."),
    }),
  ])
  .prefault({})
  .describe("How gradients become steps.");
