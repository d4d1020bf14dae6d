import assert from "node:assert/strict";
import { cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { contentOf, grpo, metricsOf, scratch } from "../program.js";

const folder = scratch();
const model =
  "model: {architecture: {model_type: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 96}}";
const rest =
  "train: {steps: 4, prompts_per_step: 3}\ncheckpoint: {every: 2, keep_last: 9}\noptimizer: {learning_rate: 0.01}";

/** Trains four steps, takes the last two away, and trains them again from the checkpoint. */
function resumed(name: string, text: string): Record<string, number | string | null>[] {
  const file = `${name}.yaml`;
  writeFileSync(join(folder, file), `run: {name: ${name}, out_dir: runs}\n${model}\n${rest}\n${text}\n`);
  const first = grpo(folder, ["train", "--config", file]);
  assert.deepEqual([first.code, first.err], [0, ""]);
  const run = join(folder, "runs", name);
  const whole = contentOf(run);
  const metrics = metricsOf(run);
  cpSync(run, `${run}-whole`, { recursive: true });
  rmSync(join(run, "checkpoints/step-000004"), { recursive: true });
  for (const step of [3, 4]) rmSync(join(run, `rollouts/step-00000${step}.arrow`));
  const lines = readFileSync(join(run, "metrics.jsonl"), "utf8").split("\n");
  truncateSync(join(run, "metrics.jsonl"), Buffer.byteLength(`${lines.slice(0, 2).join("\n")}\n`));
  const again = grpo(folder, ["train", "--config", file, "--resume"]);
  assert.deepEqual([again.code, again.err], [0, ""]);
  assert.deepEqual(contentOf(run), whole);
  assert.equal(readdirSync(join(run, "checkpoints")).length, 2);
  return metrics;
}

test("what prompts were judged by, and the hints that follow from it, survive a resume", () => {
  const strategy =
    'strategy: {kind: difficulty_hint, guide: "{prompt}{answer}+", prompt: "{hint}+{prompt}", delta_max: 0.2, level: 1, hint_max: 1}';
  const metrics = resumed(
    "hints",
    `data: {train: {builtin: addition, max: 99}, max_prompt_tokens: 20}
rollout: {group_size: 4, max_completion_tokens: 6, ${strategy}}
rewards: [{name: short, kind: length, target: 3, margin: 4}]
objective: {kind: reg_grpo}`,
  );
  for (const row of metrics) assert.ok(Number.isFinite(row["hint/difficulty"]));
  assert.ok(metrics.some((row) => Number(row["hint/share"]) > 0));
});

test("groups of steps with prompts of their own wait in the buffer across a resume", () => {
  const metrics = resumed(
    "steps",
    `data: {train: {builtin: grid_world, size: 3, walls: 1, count: 8}, max_prompt_tokens: 16}
rollout: {group_size: 4, max_completion_tokens: 4, environment: {kind: grid_world, max_turns: 3, step_prompts: {template: "{observation}\\n>"}}}
rewards: [{name: short, kind: length, target: 2, margin: 20}]
collect: {min_rows: 60}
advantage: {kind: gigpo}`,
  );
  assert.ok(metrics.some((row) => Number(row["buffer/rows"]) > 0));
  assert.ok(metrics.some((row) => Number(row["gigpo/step_group_size"]) > 1));
});
