import type { $ZodType } from "zod/v4/core";
import type { Path } from "./node.js";
import { fieldPaths, fieldsOf, otherKinds, schemasAt } from "./walk.js";

/** Names that other toolkits give to our keys. */
const elsewhere: Record<string, string> = {
  num_generations: "rollout.group_size",
  n_samples_per_prompt: "rollout.group_size",
  max_completion_length: "rollout.max_completion_tokens",
  max_new_tokens: "rollout.max_completion_tokens",
  max_prompt_length: "data.max_prompt_tokens",
  num_iterations: "train.updates_per_rollout",
  ppo_epochs: "train.updates_per_rollout",
  max_steps: "train.steps",
  batch_size: "train.prompts_per_step",
  train_batch_size: "train.prompts_per_step",
  per_device_train_batch_size: "train.prompts_per_step",
  gradient_checkpointing: "train.activation_checkpointing",
  lr: "optimizer.learning_rate",
  warmup_steps: "optimizer.schedule.warmup_steps",
  lr_scheduler_type: "optimizer.schedule.kind",
  grad_clip: "optimizer.max_grad_norm",
  clip_grad_norm: "optimizer.max_grad_norm",
  skip_norm: "optimizer.skip_grad_norm",
  beta: "objective.kl.coefficient",
  kl_coef: "objective.kl.coefficient",
  kl_loss_coef: "objective.kl.coefficient",
  epsilon: "objective.epsilon_low",
  clip_ratio: "objective.epsilon_low",
  epsilon_high: "objective.epsilon_high",
  loss_agg_mode: "objective.aggregation",
  importance_sampling_level: "objective.level",
  scale_rewards: "advantage.scale",
  output_dir: "run.out_dir",
  model_name_or_path: "model.path",
  torch_dtype: "model.dtype",
  save_steps: "checkpoint.every",
  eval_steps: "eval.every",
  reward_funcs: "rewards",
};

/**
 * What is wrong with an unknown key: it is one of another kind of the mapping, which is named, or not known at all; then
 * follows what to write instead.
 * @param path of the mapping that holds the key
 * @param root value of the whole, which chooses the members of unions
 */
export function unknownKey(schema: $ZodType, path: Path, key: string, root: unknown): string {
  const mapping = at(root, path);
  const foreign = otherKinds(schemasAt(schema, path, root), key, mapping);
  if (foreign === undefined) return `unknown key; ${suggestKey(schema, path, key, root)}`;
  const { tag, own, others } = foreign;
  const place = [...path, tag].map(String).join(".");
  return `has no effect with ${place} ${own}: it belongs to ${others.join(", ")}; change the ${tag}, or take this key away`;
}

/**
 * What to write instead of an unknown key: a key with a like name in the same mapping, the same name elsewhere in the
 * schema, the name that a key of another toolkit has here, or the list of what the mapping knows.
 * @param path of the mapping that holds the key
 * @param value of that mapping, which chooses the member of a union
 */
export function suggestKey(root: $ZodType, path: Path, key: string, value: unknown): string {
  const known = [
    ...new Set(schemasAt(root, path, value).flatMap((schema) => [...fieldsOf(schema, at(value, path)).keys()])),
  ];
  const like = nearest(key, known);
  if (like !== undefined) return `did you mean "${like}"?`;
  const paths = fieldPaths(root);
  const dotted = paths.map((p) => p.join("."));
  const same = dotted.find((p) => p.endsWith(`.${key}`));
  const renamed = elsewhere[key];
  const target = renamed !== undefined && dotted.includes(renamed) ? renamed : same;
  if (target !== undefined) return `did you mean "${target}"?`;
  const far = nearest(key, [...new Set(paths.map((p) => p.at(-1)!))]);
  const place = far === undefined ? undefined : dotted.find((p) => p === far || p.endsWith(`.${far}`));
  if (place !== undefined) return `did you mean "${place}"?`;
  return known.length === 0 ? "nothing is known here" : `known here: ${known.join(", ")}`;
}

function at(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((v, key) => (v as Record<PropertyKey, unknown> | null | undefined)?.[key], value);
}

/** The candidate within a third of the word's length in edits (at least 1, at most 3), closest first. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const limit = Math.min(3, Math.max(1, Math.round(word.length / 3)));
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Number of insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`. */
export function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, rows[i - 1]![j - 1]! + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, rows[i - 2]![j - 2]! + 1);
      row.push(best);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}
