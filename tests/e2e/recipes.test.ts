import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { readRecipe, recipeNames } from "../../src/config/recipes.js";
import { projectRoot } from "../shared.js";

const folder = mkdtempSync(join(tmpdir(), "grpo-recipes-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** A tiny random model on the built-in sums; the reward is one that random completions differ in. */
const tiny = `
model:
  architecture: {model_type: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 32}
data: {train: {builtin: addition, max: 9}, max_prompt_tokens: 8}
rollout: {max_completion_tokens: 4}
collect: {min_rows: 0}
rewards: [{name: short, kind: length, target: 2, margin: 3}]
train: {steps: 2, prompts_per_step: 8}
optimizer: {learning_rate: 1.0e-3}
`;

for (const name of recipeNames()) {
  test(`recipe ${name} trains two steps, on-policy to the bit at first, and logs what its method measures`, () => {
    const file = join(folder, `${name}.yaml`);
    writeFileSync(file, `extends: recipe:${name}\nrun: {name: ${name}, out_dir: ${folder}}\n${tiny}`);
    const main = join(projectRoot, "dist/src/cli/main.js");
    const run = spawnSync(process.execPath, [main, "train", "--config", file], { cwd: folder, encoding: "utf8" });
    assert.equal(run.status, 0, run.stderr);
    const steps = readFileSync(join(folder, name, "metrics.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.equal(steps.length, 2);
    // Some metrics need another mode of the method or data of its kind; rewards are the user's to name.
    const named = readRecipe(name).info.metrics.filter((metric) => !metric.startsWith("reward/"));
    for (const step of steps) {
      assert.equal(step["mismatch/logprob_max_abs"], 0);
      assert.ok(Number.isFinite(step.loss) && Number(step.grad_norm) >= 0);
      assert.ok(
        named.length === 0 || named.some((metric) => typeof step[metric] === "number"),
        Object.keys(step).join(),
      );
    }
  });
}
