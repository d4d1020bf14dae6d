import assert from "node:assert/strict";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { loadConfig } from "../../src/config/load.js";
import { recipeNames } from "../../src/config/recipes.js";
import { renderResolved } from "../../src/config/render.js";
import { GrpoError } from "../../src/errors.js";
import { fileOn } from "../../src/pipeline/recipe-page.js";
import { least, load, mistakes, writeFiles } from "./config-files.js";

const model = "model: {path: m}\n";

const documented = `
run:    {name: demo, seed: 17, out_dir: runs, device: auto}
model:  {path: ./models/qwen2.5-0.5b, dtype: bf16}
models: {reference: {kind: initial}}
data:
  train: {path: data/train.parquet}
  prompt: {template: "{question}", system: "Be brief.", chat: true}
  max_prompt_tokens: 512
  long_prompts: drop
sampler: {kind: shuffle}
rollout: {strategy: {kind: parallel}, environment: null, group_size: 8, max_completion_tokens: 256, temperature: 1.0,
          top_p: 1.0, top_k: 0, min_p: 0, stop: [], sync: {interval: 1, offset: 0}}
rewards:
  - {name: accuracy, kind: exact, answer: "{answer}", weight: 1.0}
  - {name: style, kind: module, module: ./reward.mjs, weight: 0.2, timeout_s: 10}
collect: {zero_variance: keep}
shape: []
advantage: {kind: group, scale: group, std: sample, epsilon: 1.0e-6, then: []}
objective: {level: token, epsilon_low: 0.2, epsilon_high: 0.2, aggregation: token_mean, old: sampled,
            kl: {coefficient: 0, estimator: k3, placement: loss, model: reference}, terms: []}
optimizer: {kind: adamw, learning_rate: 1.0e-6, weight_decay: 0.0, max_grad_norm: 1.0, schedule: {kind: constant, warmup_steps: 0}}
train:  {steps: 100, prompts_per_step: 16, updates_per_rollout: 1, minibatches: 1}
eval:   {every: 25, data: {path: data/test.jsonl}, samples: 4}
checkpoint: {every: 50, keep_last: 2, keep_best: eval/accuracy}
stages: []
`;

test("the documented configuration loads, and says nothing but defaults where it repeats them", () => {
  const { config, staged } = load(documented);
  assert.equal(staged, false);
  assert.equal(config.stages.length, 1);
  const stage = config.stages[0]!;
  assert.equal(stage.kind, "grpo");
  const plain = load(`${model}${least}`).config.stages[0]!;
  for (const section of [
    "models",
    "sampler",
    "rollout",
    "collect",
    "advantage",
    "objective",
    "optimizer",
    "train",
  ] as const) {
    assert.deepEqual(stage[section], plain[section], section);
  }
});

test("relative paths are relative to the file that holds them, in --set and out_dir to the working directory", () => {
  const { "deep/base.yaml": base, "top.yaml": top } = writeFiles({
    "deep/base.yaml": `model: {path: m}\ndata: {train: {path: rows.jsonl}}\n`,
    "top.yaml": `extends: deep/base.yaml\nrun: {out_dir: out}\nrewards: [{name: r, kind: module, module: ./r.mjs}]\n`,
  });
  const { config } = loadConfig(top, { set: ["eval={data: {path: t.jsonl}}"] });
  const stage = config.stages[0]!;
  assert.equal(config.model.path, join(dirname(base), "m"));
  assert.equal(stage.data.train.path, join(dirname(base), "rows.jsonl"));
  assert.equal((stage.rewards[0] as { module?: string }).module, join(dirname(top), "r.mjs"));
  assert.equal(stage.eval?.data.path, resolve("t.jsonl"));
  assert.equal(config.run.out_dir, resolve("out"));
});

test("later layers win key by key; another kind replaces the whole mapping; alternatives drop each other", () => {
  const { "under.yaml": _, "over.yaml": over } = writeFiles({
    "under.yaml": `${model}data: {train: {path: rows.jsonl}}
rewards: [{name: a, kind: exact, answer: x}, {name: b, kind: length, max: 3}]
optimizer: {learning_rate: 1.0e-4, schedule: {kind: cosine, final_ratio: 0.1}}
`,
    "over.yaml": `extends: under.yaml
data: {train: {builtin: addition}}
optimizer: {schedule: {kind: constant, warmup_steps: 3}}
`,
  });
  const stage = loadConfig(over, { set: ["rewards.1.weight=2", "rollout.stop=[a, b]"] }).config.stages[0]!;
  assert.equal(stage.optimizer.learning_rate, 1e-4);
  assert.deepEqual(stage.optimizer.schedule, { kind: "constant", warmup_steps: 3 });
  assert.deepEqual(stage.data.train, { builtin: "addition" });
  assert.deepEqual(
    stage.rewards.map(({ name, weight }) => [name, weight]),
    [
      ["a", 1],
      ["b", 2],
    ],
  );
  assert.deepEqual(stage.rollout.stop, ["a", "b"]);
});

test("--set beyond the end of a list, or without a value, is refused", () => {
  assert.deepEqual(mistakes(`${model}${least}`, "rewards.5.weight=2"), [
    "--set: rewards: expected a list, got a mapping",
  ]);
  assert.throws(
    () => load(`${model}${least}`, "train.steps"),
    new GrpoError("GRPO_USAGE", "--set train.steps: expected KEY=VALUE, as in --set train.steps=20", { exitCode: 2 }),
  );
});

test("stages inherit the top of the file and may be named", () => {
  const text = `${model}${least}train: {prompts_per_step: 4}
stages:
  - {kind: sft, name: warm, train: {steps: 5}, optimizer: {learning_rate: 1.0e-3}}
  - {kind: grpo, train: {steps: 6}}
`;
  const { config, staged } = load(text);
  assert.equal(staged, true);
  assert.deepEqual(
    config.stages.map(({ kind, name, train, optimizer }) => [
      kind,
      name,
      train.steps,
      train.prompts_per_step,
      optimizer.learning_rate,
    ]),
    [
      ["sft", "warm", 5, 4, 1e-3],
      ["grpo", "grpo", 6, 4, 1e-6],
    ],
  );
  const wrong = "stages: [{kind: grpo}, {kind: grpo, model: {dtype: bf16}}, {kid: 1}, 3]";
  assert.deepEqual(mistakes(`${model}${least}${wrong}\n`), [
    "run.yaml:4:37: stages.1.model: cannot differ between stages; write it at the top of the file",
    'run.yaml:4:61: stages.2.kid: unknown key; did you mean "kind"?',
    "run.yaml:4:70: stages.3: expected a mapping with a `kind`, as in {kind: grpo}",
  ]);
  assert.deepEqual(mistakes(`${model}${least}stages: [{kind: grpo}, {kind: grpo}]\n`), [
    'run.yaml:4:24: stages.1.name: another stage is called "grpo"; give each its own name',
  ]);
});

test("the resolved text names the origin of every value and loads to the same run", () => {
  const text = `${model}${least}optimizer: {learning_rate: 2.0e-6}
objective: {epsilon_high: 0.28}
stages: [{kind: sft, train: {steps: 5}}, {kind: grpo}]
`;
  for (const loaded of [load(text, "stages.1.train.steps=7"), load(documented), load(`${model}${least}`)]) {
    const resolved = renderResolved(loaded);
    const { "again.yaml": again } = writeFiles({ "again.yaml": resolved });
    const reloaded = loadConfig(again);
    assert.deepEqual(
      renderResolved(reloaded).replace(/ #.*/g, "").split("\n").slice(1),
      resolved.replace(/ #.*/g, "").split("\n").slice(1),
    );
    assert.deepEqual(reloaded.config.run, loaded.config.run);
    assert.deepEqual(
      reloaded.config.stages.map((s) => s.optimizer),
      loaded.config.stages.map((s) => s.optimizer),
    );
  }
  const shown = renderResolved(load(text, "stages.1.train.steps=7"));
  assert.match(shown, /learning_rate: 0\.000002 # .*run\.yaml:4\n/);
  assert.match(shown, /steps: 7 # --set\n/);
  assert.match(shown, /temperature: 1 # default\n/);
});

test("every recipe that ships loads under a plain file, and shows in the resolved text as the origin", () => {
  assert(recipeNames().length >= 6);
  for (const name of recipeNames()) {
    const loaded = load(`${fileOn(name).join("\n")}\n`);
    assert.match(renderResolved(loaded), new RegExp(`# recipe:${name}:\\d+`));
  }
});
