import * as z from "zod";

/** A bound on a metric of a step; null is none. */
const bound = (value: number, reason: string) => z.number().min(0).nullable().default(value).describe(reason);

export const runSchema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[\w.-]+$/, "a folder name: letters, digits, dot, dash and underscore")
      .default("run")
      .describe("Name of the run's folder inside `out_dir`."),
    seed: z
      .int()
      .min(0)
      .max(0xffffffff)
      .default(17)
      .describe("Keys all randomness of the run. Fixed, so that two runs of one config are the same run."),
    out_dir: z
      .string()
      .min(1)
      .default("runs")
      .describe(
        "Folder of run folders, relative to the working directory, so that a config can lie in a read-only place.",
      ),
    device: z
      .enum(["auto", "cpu", "cuda"])
      .default("auto")
      .describe("Where the model runs; `auto` takes a GPU when the build and the machine have one."),
    threads: z
      .int()
      .min(0)
      .max(1024)
      .default(0)
      .describe(
        "Threads inside the kernels; 0 takes the number in the environment variable GRPO_THREADS, or every core. The result does not depend on it.",
      ),
    health: z
      .strictObject({
        patience: z
          .int()
          .positive()
          .default(10)
          .describe("Steps on end beyond a bound before it is said; single steps are noise."),
        grad_norm_max: bound(10, "Largest gradient norm before clipping; Axolotl's rule of thumb, as the others."),
        entropy_min: bound(0.01, "Smallest entropy in nats; below it a policy has stopped exploring."),
        kl_max: bound(2, "Largest divergence from the reference in nats per token."),
        clip_max: bound(0.3, "Largest share of tokens whose ratio is clipped."),
        truncated_max: bound(0.8, "Largest share of completions cut at the token limit."),
        reward_drop_max: bound(
          0.5,
          "Largest fall of the mean reward over `patience` steps below the best such mean, as a share of it: a collapse.",
        ),
        all_wrong_max: bound(0.8, "Largest share of groups in which every completion is wrong."),
      })
      .prefault({})
      .nullable()
      .describe("When a run says that it looks unwell, with advice; it changes nothing. null is never."),
  })
  .prefault({})
  .describe("What the run is called, where it goes, and what its randomness is keyed by.");
