import * as z from "zod";

export const trainSchema = z
  .strictObject({
    steps: z.int().min(0).default(100).describe("Steps of the stage: rollouts and their updates."),
    epochs: z
      .int()
      .positive()
      .nullable()
      .default(null)
      .describe("Passes over the data in place of `steps`: each has as many steps as the data fills whole."),
    prompts_per_step: z
      .int()
      .positive()
      .default(16)
      .describe("Prompts drawn in a step (rows in an sft stage); with group_size 8 that is 128 completions."),
    updates_per_rollout: z
      .int()
      .positive()
      .default(1)
      .describe("Passes over the completions of a step. 1 keeps the update on-policy."),
    minibatches: z
      .int()
      .positive()
      .default(1)
      .describe("Optimizer steps per pass; each takes whole groups. 1 keeps the update on-policy."),
    shared_prefix: z
      .enum(["on", "off"])
      .default("on")
      .describe("`on` computes a prompt once for its whole group; `off` once per completion. The result is the same."),
    reuse_products: z
      .enum(["on", "off"])
      .default("on")
      .describe(
        "`on` takes the matrix products of the rollout over into the update where the weights are still the same and a step's tokens fit into max_tokens_per_microbatch, instead of computing them again (not in the first step after a start, with checkpointing, without a shared prefix, from lagging weights, or below a hidden size of 256). The result is the same.",
      ),
    activation_checkpointing: z
      .enum(["none", "layer", "stream"])
      .default("none")
      .describe(
        "`layer` keeps only the input of each layer and computes the rest again: less memory, a third more time. `stream` does so in chunks of rows (StreamBP): less memory still, for long contexts. The result does not depend on it. A tree beyond max_tokens_per_microbatch gets `layer` or `stream` of itself.",
      ),
    layer_chunk: z
      .int()
      .positive()
      .optional()
      .describe(
        "Rows that `activation_checkpointing: stream` computes together; 512 when absent. The result does not depend on it.",
      ),
    layer_group: z
      .int()
      .positive()
      .default(1)
      .describe(
        "With `activation_checkpointing: stream`, keep the input of every n-th layer only and compute the others once more: about the root of the number of layers holds least, for a quarter more time.",
      ),
    max_tokens_per_microbatch: z
      .int()
      .positive()
      .default(8192)
      .describe("Memory budget of one forward and backward, in unique tokens. The result does not depend on it."),
  })
  .prefault({})
  .describe("How much is drawn and trained per step.");
