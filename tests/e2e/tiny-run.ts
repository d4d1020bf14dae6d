import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** A run of a second: 10 K random weights on the built-in task, with an evaluation and checkpoints on the way. */
export const tinyRun = `run: {name: tiny, seed: 3}
model:
  architecture:
    model_type: qwen3
    hidden_size: 32
    intermediate_size: 48
    num_hidden_layers: 2
    num_attention_heads: 2
    num_key_value_heads: 1
    max_position_embeddings: 64
data: {train: {builtin: addition, max: 9}, max_prompt_tokens: 16}
rollout: {group_size: 4, max_completion_tokens: 4}
rewards:
  - {name: length, kind: length, target: 2, margin: 2}
  - {name: exact, kind: exact, answer: "{answer}"}
objective: {kl: {coefficient: 0.01}}
optimizer: {learning_rate: 0.01}
train: {steps: 6, prompts_per_step: 3, minibatches: 2}
eval: {every: 3, data: {builtin: addition, max: 9, split: test, limit: 4}, samples: 2}
checkpoint: {every: 2, keep_last: 3}
`;

/** Writes {@link tinyRun} into a folder as `run.yaml`; the arguments that train it with overrides. */
export function tinyArguments(folder: string, ...set: string[]): string[] {
  writeFileSync(join(folder, "run.yaml"), tinyRun);
  return ["train", "--config", "run.yaml", ...set.flatMap((override) => ["--set", override])];
}
