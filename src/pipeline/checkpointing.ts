import type { Stage } from "../config/schema.js";
import { activationSizes, streamGroup } from "../model/activation-memory.js";
import type { ModelConfig } from "../model/config.js";
import type { Checkpointing } from "../model/decoder.js";

/** Rows of a chunk when nothing is said: enough for products to run at full speed. */
const CHUNK = 512;

/** What `train.activation_checkpointing` asks for. */
export function checkpointingOf(train: Stage["train"]): Checkpointing {
  if (train.activation_checkpointing === "stream")
    return { chunk: train.layer_chunk ?? CHUNK, group: train.layer_group };
  return train.activation_checkpointing === "layer";
}

/**
 * The same for one tree of `tokens` rows: a tree that passes the budget by itself keeps only the inputs of its layers, goes
 * through them in chunks where that would hold more than the budget's tokens do, and keeps fewer inputs where this would.
 */
export function checkpointingFor(
  config: ModelConfig,
  tokens: number,
  { checkpoint, maxTokens }: { checkpoint: Checkpointing; maxTokens: number },
): Checkpointing {
  if (tokens <= maxTokens || typeof checkpoint === "object") return checkpoint;
  const { plain, layer, stream } = activationSizes(config);
  const budget = maxTokens * (checkpoint ? layer : plain);
  if (tokens * layer <= budget) return true;
  return { chunk: Math.min(CHUNK, maxTokens), group: tokens * stream <= budget ? 1 : streamGroup(config) };
}
