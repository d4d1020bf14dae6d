import * as z from "zod";

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
  })
  .prefault({})
  .describe("What the run is called, where it goes, and what its randomness is keyed by.");
