import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { loadConfig } from "../../src/config/load.js";
import { rewardSchema } from "../../src/config/schema/rewards.js";
import { least, load, mistakes, mistakesIn, writeFiles } from "./config-files.js";

const model = "model: {path: m}\n";

/** Kinds of rewards, as a message lists them. */
const kinds = rewardSchema.options.map(({ shape }) => `"${shape.kind.value}"`).join("|");

test("every mistake of a file is reported at once, each with its place", () => {
  const text = `run: {name: demo}
model:
  path: ./m
  dtype: bf61
rollout:
  group_size: 1
  tempersture: 3
  top_p: hot
num_generations: 4
data: {train: {path: data/x.jsonl}, prompt: {template: "{q}"}}
rewards:
  - {name: acc, kind: exct, answer: "{a}"}
  - {name: len, kind: length, max: "3"}
objective: {kl: {estimator: k1}}
train: {minibatches: 99}
`;
  assert.deepEqual(mistakes(text), [
    'run.yaml:4:10: model.dtype: Invalid option: expected one of "fp32"|"bf16"; did you mean "bf16"?',
    "run.yaml:6:15: rollout.group_size: a group needs at least 2 completions, or every advantage is 0",
    'run.yaml:7:3: rollout.tempersture: unknown key; did you mean "temperature"?',
    'run.yaml:8:10: rollout.top_p: expected a number, got "hot"',
    'run.yaml:9:1: num_generations: unknown key; did you mean "rollout.group_size"?',
    `run.yaml:12:23: rewards.0.kind: Invalid option: expected one of ${kinds}; did you mean "exact"?`,
    'run.yaml:13:36: rewards.1.max: expected a number, got "3"',
    "run.yaml:14:18: objective.kl.estimator: has no effect while objective.kl.coefficient is 0; give a coefficient, or take this key away",
    "run.yaml:15:22: train.minibatches: a minibatch takes whole groups, so there are at most train.prompts_per_step = 16 of them",
  ]);
});

test("a file that is missing, a folder, empty or no mapping is named", () => {
  const { "sub/x.yaml": inner } = writeFiles({ "sub/x.yaml": "" });
  assert.deepEqual(
    mistakesIn(() => loadConfig("no/such.yaml")),
    ["no/such.yaml: no such file"],
  );
  assert.deepEqual(
    mistakesIn(() => loadConfig(join(inner, ".."))),
    ["sub: is a folder, not a file"],
  );
  const noMapping = "run.yaml:1:1: a configuration is a mapping of sections, such as `model:` and `data:`";
  assert.deepEqual(mistakes(""), [noMapping]);
  assert.deepEqual(mistakes("- 1\n"), [noMapping]);
});

test("a mistake in the YAML itself is reported with its place", () => {
  assert.deepEqual(mistakes("train: {steps: 3\nmodel: 1\n"), [
    "run.yaml:2:1: Flow map in block collection must be sufficiently indented and end with a }",
  ]);
  assert.deepEqual(mistakes("train: {steps: 3}\ntrain: {steps: 4}\n"), ["run.yaml:2:1: Map keys must be unique"]);
});

test("an unknown key gets the nearest one, one of the same name elsewhere, or the list of what is known", () => {
  const key = (text: string) => mistakes(`${model}${least}${text}\n`);
  assert.deepEqual(key("trian: {steps: 2}"), ['run.yaml:4:1: trian: unknown key; did you mean "train"?']);
  assert.deepEqual(key("train: {learning_rate: 2}"), [
    'run.yaml:4:9: train.learning_rate: unknown key; did you mean "optimizer.learning_rate"?',
  ]);
  assert.deepEqual(key("beta: 0.1"), ['run.yaml:4:1: beta: unknown key; did you mean "objective.kl.coefficient"?']);
  assert.deepEqual(key("checkpoint: {zzzzzzzz: 1}"), [
    "run.yaml:4:14: checkpoint.zzzzzzzz: unknown key; known here: every, keep_last, keep_best",
  ]);
  assert.deepEqual(key("__proto__: {polluted: 1}")[0]?.startsWith("run.yaml:4:1: __proto__: unknown key"), true);
  assert.deepEqual(key("recipe: {summary: x}")[0]?.startsWith("run.yaml:4:1: recipe: unknown key"), true);
});

test("a value of the wrong type or out of bounds says what is expected and what it got", () => {
  const value = (text: string) => mistakes(`${model}${least}${text}\n`);
  assert.deepEqual(value("train: {steps: 1.5}"), ["run.yaml:4:16: train.steps: expected a whole number, got 1.5"]);
  assert.deepEqual(value("train: {steps: -1}"), ["run.yaml:4:16: train.steps: must be at least 0, got -1"]);
  assert.deepEqual(value("train: [1]"), ["run.yaml:4:8: train: expected a mapping, got a list"]);
  assert.deepEqual(value("optimizer: {learning_rate: .nan}"), [
    "run.yaml:4:28: optimizer.learning_rate: expected a number, got NaN",
  ]);
  assert.deepEqual(value("optimizer: {max_grad_norm: 0}"), [
    "run.yaml:4:28: optimizer.max_grad_norm: must be above 0, got 0",
  ]);
  assert.deepEqual(value("optimizer: {schedule: {kind: cosin}}"), [
    'run.yaml:4:30: optimizer.schedule.kind: Invalid option: expected one of "constant"|"linear"|"cosine"|"wsd"; did you mean "cosine"?',
  ]);
  assert.deepEqual(value("rollout: {stop: x}"), ['run.yaml:4:17: rollout.stop: expected a list, got "x"']);
  assert.deepEqual(value("run: {name: a/b}"), [
    "run.yaml:4:13: run.name: a folder name: letters, digits, dot, dash and underscore",
  ]);
  assert.deepEqual(value("objective: {level: tokn}"), [
    'run.yaml:4:20: objective.level: Invalid option: expected one of "token"|"sequence"; did you mean "token"?',
  ]);
});

test("what must be given and is not is asked for", () => {
  assert.deepEqual(mistakes("train: {steps: 1}\n"), [
    "run.yaml:1:1: model: missing; expected a mapping",
    "run.yaml:1:1: data: missing; expected a mapping",
    "run.yaml:1:1: rewards: missing; without a reward every advantage is 0",
  ]);
  assert.deepEqual(mistakes(`model: {dtype: bf16}\n${least}`), [
    "run.yaml:1:8: model: missing; give `path` (a model folder) or `architecture` (random weights)",
  ]);
});

test("random weights need a tokenizer and a shape that divides", () => {
  const shape = "model_type: llama, intermediate_size: 8, num_hidden_layers: 1";
  const both = `model: {path: m, architecture: {${shape}, hidden_size: 10, num_attention_heads: 4, num_key_value_heads: 3}}\n`;
  assert.deepEqual(mistakes(`${both}${least}`), [
    "run.yaml:1:1: model.tokenizer: missing; random weights on data of your own need one: give `path` (a folder) or `alphabet` (characters)",
    "run.yaml:1:32: model.architecture: `path` is given as well; keep one of the two",
    "run.yaml:1:109: model.architecture.hidden_size: must be a multiple of num_attention_heads (4), or give head_dim",
    "run.yaml:1:158: model.architecture.num_key_value_heads: must divide num_attention_heads (4): each key head serves the same number of query heads",
  ]);
});

test("greedy training, best checkpoints without evaluation and greedy repeats are refused", () => {
  const text = `${model}${least}rollout: {temperature: 0}
checkpoint: {keep_best: eval/accuracy}
`;
  assert.deepEqual(mistakes(text), [
    "run.yaml:4:24: rollout.temperature: training needs a temperature above 0: greedy completions of a prompt are all the same",
    "run.yaml:5:25: checkpoint.keep_best: needs an evaluation; give `eval`, or take this key away",
  ]);
  assert.deepEqual(mistakes(`${model}${least}eval: {data: {path: t.jsonl}, samples: 4, temperature: 0}\n`), [
    "run.yaml:4:40: eval.samples: greedy samples of a prompt are all the same; use 1, or a temperature above 0",
  ]);
});

test("a single completion is refused by group estimators only, and not where its reward is its advantage", () => {
  const text = `${model}${least}rollout: {group_size: 1}\n`;
  assert.deepEqual(mistakes(text, "advantage.kind=leave_one_out"), [
    "run.yaml:4:23: rollout.group_size: a group needs at least 2 completions, or every advantage is 0",
  ]);
  assert.equal(load(text, "advantage.single=reward").config.stages[0]?.rollout.group_size, 1);
  const { "one.yaml": one } = writeFiles({ "one.yaml": `${text}advantage: {kind: reinforce_pp}\n` });
  assert.equal(loadConfig(one).config.stages[0]?.rollout.group_size, 1);
});

test("--set is checked like the file, and named as the place", () => {
  assert.deepEqual(mistakes(`${model}${least}`, "rollout.group_size=1", "train.stps=3", "train.steps=x"), [
    "--set: rollout.group_size: a group needs at least 2 completions, or every advantage is 0",
    '--set: train.stps: unknown key; did you mean "steps"?',
    '--set: train.steps: expected a number, got "x"',
  ]);
});

test("what a file extends must exist and must not lead back", () => {
  assert.deepEqual(mistakes(`extends: recipe:dapoo\n${model}${least}`), [
    'run.yaml:1:10: extends: no recipe is named "dapoo"; did you mean "dapo"?',
  ]);
  const { "a.yaml": a } = writeFiles({ "a.yaml": "extends: b.yaml\n", "b.yaml": "extends: [a.yaml]\n" });
  const [line] = mistakesIn(() => loadConfig(a));
  assert.match(line ?? "", /^a\.yaml: extends itself: a\.yaml -> b\.yaml -> a\.yaml$/);
  assert.match(mistakes(`extends: [nothing.yaml]\n`)[0] ?? "", /^nothing\.yaml: no such file$/);
});

test("values that nothing teaches, and a value head that has nothing to learn, are refused", () => {
  const value = (text: string) => mistakes(`${model}${least}${text}\n`);
  assert.deepEqual(value("advantage: {kind: gae}"), [
    "run.yaml:4:19: advantage.kind: gae needs values, which nothing teaches here; add {kind: value} to `objective.terms`",
  ]);
  assert.deepEqual(value("objective: {terms: [{kind: value}]}"), [
    "run.yaml:4:28: objective.terms.0.kind: needs returns to learn, which only advantage.kind gae computes",
  ]);
  assert.deepEqual(load(`${model}${least}advantage: {kind: gae}\nobjective: {terms: [{kind: value}]}\n`).staged, false);
});

test("a reward with one value per span is asked for where advantages are those of spans", () => {
  const spans = "rollout: {spans: [{kind: newline}]}\nadvantage: {kind: span_group}";
  assert.deepEqual(mistakes(`${model}${least}${spans}\n`), [
    "run.yaml:3:10: rewards: none gives a value per span, which advantage.kind span_group compares; add one of kind recommendation",
  ]);
});
