import assert from "node:assert/strict";
import { test } from "node:test";
import { least, load, mistakes } from "./config-files.js";

const model = "model: {path: m}\n";

test("a key without effect is refused, unless it says what would hold anyway", () => {
  const refused = (text: string) => mistakes(`${model}${least}${text}\n`);
  assert.deepEqual(refused("objective: {kl: {placement: reward}}"), [
    "run.yaml:4:18: objective.kl.placement: has no effect while objective.kl.coefficient is 0; give a coefficient, or take this key away",
  ]);
  assert.deepEqual(refused("models: {teacher: {kind: path, path: t}}"), [
    "run.yaml:4:10: models.teacher: has no effect: no part of the configuration asks for this model; give objective.kl a coefficient, or take this key away",
  ]);
  assert.deepEqual(refused("advantage: {scale: none, epsilon: 0.1}"), [
    "run.yaml:4:26: advantage.epsilon: has no effect with advantage.scale none: nothing is divided",
  ]);
  assert.deepEqual(refused("collect: {max_resamples: 3}"), [
    "run.yaml:4:11: collect.max_resamples: has no effect without collect.zero_variance resample",
  ]);
  assert.deepEqual(refused("train: {layer_chunk: 64}"), [
    "run.yaml:4:9: train.layer_chunk: has no effect without train.activation_checkpointing stream: no layer is streamed",
  ]);
  assert.deepEqual(refused("objective: {constant: 3}"), [
    "run.yaml:4:13: objective.constant: has no effect with this aggregation; it is the divisor of sequence_mean_token_sum_norm and token_sum_norm",
  ]);
  const completion = least.replace("}}", '}, completion: "{text}"}');
  assert.deepEqual(mistakes(`${model}${completion}`), [
    "run.yaml:2:35: data.completion: has no effect without an sft stage: completions are drawn from the policy",
  ]);
  load(`${model}${least}models: {reference: {kind: initial}}\nobjective: {kl: {coefficient: 0, estimator: k3}}\n`);
});

test("switching a term off with --set does not make the file's other keys mistakes", () => {
  const text = `${model}${least}objective: {kl: {coefficient: 0.1, estimator: k1}}\nmodels: {reference: {kind: ema}}\n`;
  assert.equal(load(text, "objective.kl.coefficient=0").config.stages[0]?.objective.kl.coefficient, 0);
  assert.equal(load(text).config.stages[0]?.objective.kl.estimator, "k1");
});

test("a model slot that a term names must exist", () => {
  assert.deepEqual(mistakes(`${model}${least}objective: {kl: {coefficient: 0.1, model: teacher}}\n`), [
    "run.yaml:4:43: objective.kl.model: no model slot has this name; known are: reference",
  ]);
});

test("keys of grpo alone are refused in an sft stage, and free at the top when another stage reads them", () => {
  const top = `${model}${least}objective: {epsilon_high: 0.3}\n`;
  assert.deepEqual(
    mistakes(`${top}stages:\n  - {kind: sft, advantage: {scale: none}, train: {minibatches: 2}}\n  - {kind: grpo}\n`),
    [
      "run.yaml:6:17: stages.0.advantage: has no effect in an sft stage: it teaches the text of `data.completion` with cross-entropy",
      "run.yaml:6:51: stages.0.train.minibatches: has no effect in an sft stage: it teaches the text of `data.completion` with cross-entropy",
    ],
  );
  assert.equal(load(`${top}stages: [{kind: sft}, {kind: grpo}]\n`).config.stages[1]?.objective.kind, "clip");
  assert.deepEqual(mistakes(`${top}stages: [{kind: sft}]\n`), [
    "run.yaml:4:1: objective: has no effect in an sft stage: it teaches the text of `data.completion` with cross-entropy",
  ]);
});

test("a key that every stage overrides is refused, since it would change nothing", () => {
  const text = `${model}${least}stages: [{kind: sft, train: {steps: 2}}, {kind: grpo, train: {steps: 3}}]\n`;
  assert.deepEqual(mistakes(text, "train.steps=9"), [
    "--set: train.steps: has no effect: every stage overrides it; write it there, as stages.0.train.steps",
  ]);
  assert.equal(load(text, "stages.1.train.steps=9").config.stages[1]?.train.steps, 9);
});
