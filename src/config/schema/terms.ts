import * as z from "zod";
import { schedule } from "./schedule.js";

const distill = z
  .strictObject({
    kind: z.literal("distill"),
    model: z.string().default("teacher").describe("Model slot of the teacher; it must share the tokenizer."),
    coefficient: schedule(z.number().min(0))
      .default(2e-3)
      .describe("Weight of the teacher; KDRL's constant. It anneals linearly from 5e-3 to 1e-3."),
    estimator: z
      .enum(["k1", "k2", "k3", "abs", "k1+", "k3+", "top_k"])
      .default("k2")
      .describe(
        "Of KL(policy || teacher): k2 has the gradient of the reverse KL; the paper's best. top_k sums it over the likeliest tokens in place of one sample.",
      ),
    top_tokens: z
      .strictObject({
        k: z
          .int()
          .positive()
          .default(32)
          .describe("Tokens in the place of each; with all of the vocabulary it is exact."),
        of: z
          .enum(["policy", "teacher"])
          .default("policy")
          .describe(
            "Whose likeliest: the policy's hold nearly all of the sum; on the teacher's alone the policy gains by leaving them.",
          ),
      })
      .prefault({})
      .describe("Tokens that estimator top_k sums over, chosen once per rollout."),
    mask: z
      .enum(["none", "response", "group"])
      .default("none")
      .describe("Whom the teacher corrects: everyone, wrong responses only, or groups without a correct response."),
    correct_at: z.number().default(1).describe("Total reward from which a response is correct; rule rewards give 1."),
    mask_end: z
      .union([z.boolean(), z.literal("auto")])
      .default("auto")
      .describe(
        "Leaves the last token of finished responses alone; `auto` where the teacher has other end tokens, which it would fight over.",
      ),
    mode: z
      .union([z.enum(["joint", "additive"]), z.strictObject({ sequential: z.int().positive() })])
      .default("joint")
      .describe(
        "A term beside the policy loss, a shift of its advantages, or `{sequential: N}`: N updates of the term alone, then none of it.",
      ),
  })
  .describe("KDRL: distance to a teacher on the policy's own completions.");

const likelihoodPreserve = z
  .strictObject({
    kind: z.literal("likelihood_preserve"),
    coefficient: z.number().min(0).default(0.2).describe("Weight of the penalty; that of the released script."),
    gate: z
      .enum(["action", "response", "token"])
      .default("action")
      .describe(
        "Where the mean likelihood must have fallen: a run between tool outputs (best), the response, the token.",
      ),
    answer_coefficient: z
      .number()
      .min(0)
      .nullable()
      .default(null)
      .describe(
        "Weight on the tokens of the final answer, where smaller; null is the same. 0 encourages more searches.",
      ),
    adaptive: z
      .boolean()
      .default(false)
      .describe("Scales the answer's weight by the mean number of searches less one, never below 0."),
    only_non_negative: z.boolean().default(true).describe("Leaves tokens of negative advantage alone, as published."),
  })
  .describe("LLDS: holds up the likelihood of what was good, where it has fallen since the rollout.");

export const termsSchema = z
  .array(
    z.discriminatedUnion("kind", [
      z
        .strictObject({
          kind: z.literal("entropy"),
          coefficient: z.number().min(0).describe("Weight of the mean entropy of trained actions, in nats."),
          adaptive: z
            .strictObject({
              target: z.number().positive().default(0.2).describe("Entropy that the controller holds; TRL's value."),
              step: z.number().positive().default(0.005).describe("Change of the coefficient per update; TRL's value."),
              min: z.number().min(0).default(0).describe("Smallest coefficient."),
              max: z.number().positive().default(1).describe("Largest coefficient."),
            })
            .nullable()
            .default(null)
            .describe("Lets the coefficient follow a target, applied only while entropy is below it; off by default."),
        })
        .describe("Entropy bonus."),
      distill,
      likelihoodPreserve,
      z
        .strictObject({
          kind: z.literal("old_policy"),
          regularizer: z
            .enum(["forward_kl", "k2"])
            .default("k2")
            .describe("-log p of what was sampled (AsymRE), or the squared log-ratio (Kimi's OPMD)."),
          coefficient: z.number().positive().default(0.1).describe("Weight; the value of the paper's runs."),
        })
        .describe("REP: stays close to the policy that sampled the rows, on every trained action."),
      z
        .strictObject({
          kind: z.literal("value"),
          coefficient: z.number().positive().default(1).describe("Weight of the value loss."),
          clip: z.number().positive().default(0.5).describe("How far a value may move from its old one; verl's value."),
        })
        .describe("PPO's clipped value loss."),
    ]),
  )
  .default([])
  .describe("Terms added to the policy loss.");

export type TermConfig = z.output<typeof termsSchema>[number];
