import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { writeWordModel } from "../model-folder.js";
import { grpo, metricsOf, scratch } from "../program.js";
import { projectRoot } from "../shared.js";

const folder = scratch();
const model = join(folder, "model");
const run = join(folder, "runs/words");

const config = `run: {name: words, seed: 1}
model: {path: model}
data: {train: {path: ${join(projectRoot, "tests/e2e/data/prompts.parquet")}}}
rollout: {group_size: 8, max_completion_tokens: 8}
rewards:
  - {name: sevens, kind: module, module: reward.mjs}
optimizer: {learning_rate: 1.0e-3}
train: {steps: 30, prompts_per_step: 4}
`;

const reward = `export default (samples, { log }) => {
  log?.("words", samples[0].completion.split(" ").length);
  return samples.map(({ completion, prompt, record, tokens, finish }) => {
    if (!/^\\d \\+ \\d =$/.test(prompt) || record.prompt !== prompt || record.digits.length !== 2) return Number.NaN;
    if (tokens.length < 8 && finish !== "stop") return Number.NaN;
    return completion.split(" ").filter((word) => word === "7").length / 8;
  });
};
`;

before(async () => {
  await writeWordModel(model);
  writeFileSync(join(folder, "run.yaml"), config);
  writeFileSync(join(folder, "reward.mjs"), reward);
  const { code, err, out } = grpo(folder, ["train", "--config", "run.yaml"]);
  assert.deepEqual([code, err], [0, ""], out);
});

test("sixteen words, 0.8 M random weights, Parquet prompts and a module reward: learned within 30 steps", () => {
  const rewards = metricsOf(run).map((row) => Number(row["reward/mean"]));
  assert.equal(rewards.length, 30);
  assert.ok(rewards[0]! < 0.2, `starts at ${rewards[0]}`);
  assert.ok(
    rewards.slice(25).every((reward) => reward > 0.9),
    `ends at ${rewards.slice(25)}`,
  );
  assert.ok(metricsOf(run).every((row) => row["mismatch/logprob_max_abs"] === 0));
});

test("generate continues a prompt with the trained checkpoint, the same for the same seed", () => {
  const args = ["generate", "--model", "runs/words/checkpoints/step-000030", "--prompt", "3 + 4 ="];
  const first = grpo(folder, [...args, "--max-tokens", "6", "--samples", "2"]);
  assert.deepEqual([first.code, first.err], [0, ""]);
  assert.match(first.out, /3 \+ 4 =( 7){5}/);
  assert.deepEqual(grpo(folder, [...args, "--max-tokens", "6", "--samples", "2"]), first);
});

test("eval scores a checkpoint on a data file and keeps what it saw", () => {
  writeFileSync(join(folder, "seven.jsonl"), '{"prompt":"3 + 4 =","answer":"7"}\n{"prompt":"3 + 5 =","answer":"8"}\n');
  const { code, out, err } = grpo(folder, [
    ..."eval --model runs/words/checkpoints/step-000030 --benchmark seven.jsonl --samples 4 --temperature 0".split(" "),
    ..."--max-completion-tokens 1 --reward exact --answer {answer} --out scores".split(" "),
  ]);
  assert.deepEqual([code, err], [0, ""]);
  assert.match(out, /^seven\.jsonl: accuracy 50\.0 % \(95 % interval [\d.]+ to [\d.]+\), 2 prompts x 4$/m);
  assert.match(out, /pass@4 50\.0 %/);
  const scores = JSON.parse(readFileSync(join(folder, "scores/seven.jsonl.json"), "utf8"));
  assert.equal(scores.accuracy, 0.5);
  const kept = readFileSync(join(folder, "scores/seven.jsonl.jsonl"), "utf8").trimEnd().split("\n");
  assert.deepEqual(
    kept.map((line) => JSON.parse(line).reward),
    [1, 1, 1, 1, 0, 0, 0, 0],
  );
});

test("export writes the checkpoint without the trainer's state, and --verify finds the same log-probs", () => {
  const args = ["export", "--checkpoint", "runs/words/checkpoints/step-000030", "--format", "hf", "--verify"];
  const { code, out, err } = grpo(folder, [...args, "--out", "exported"]);
  assert.deepEqual([code, err], [0, ""], out);
  for (const file of ["model.safetensors", "config.json", "generation_config.json", "tokenizer.json"]) {
    const kept = readFileSync(join(folder, "exported", file));
    assert.deepEqual(kept, readFileSync(join(run, "checkpoints/step-000030", file)), file);
  }
  const again = grpo(folder, [...args, "--out", "exported"]);
  assert.equal(again.code, 4);
  assert.match(again.err, /exported is there already\n {2}name a folder that does not exist\n$/);
});
