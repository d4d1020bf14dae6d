import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { readRollouts } from "../../src/report/rollouts.js";
import { contentOf, grpo, metricsOf, scratch } from "../program.js";
import { tinyArguments } from "./tiny-run.js";

const folder = scratch();
const run = join(folder, "runs/tiny");

before(() => {
  const { code, out, err } = grpo(folder, tinyArguments(folder));
  assert.deepEqual([code, err], [0, ""], out);
});

test("a run leaves the files of the contract", () => {
  assert.deepEqual(
    readdirSync(run).map((name) => name.replace(/^(events\.out\.tfevents)\..*/, "$1")),
    [
      "checkpoints",
      "config.resolved.yaml",
      "config.yaml",
      "events.out.tfevents",
      "log.txt",
      "metrics.jsonl",
      "report.html",
      "rollouts",
    ],
  );
  assert.deepEqual(readdirSync(join(run, "checkpoints")), ["step-000002", "step-000004", "step-000006"]);
  assert.deepEqual(
    readdirSync(join(run, "rollouts")),
    [1, 2, 3, 4, 5, 6].map((step) => `step-00000${step}.arrow`),
  );
  assert.deepEqual(readdirSync(join(run, "checkpoints/step-000006")), [
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "trainer",
  ]);
  assert.match(readFileSync(join(run, "config.resolved.yaml"), "utf8"), /^# kernels: \w+\n/);
});

test("every step has the metrics of the contract, and the log-probs of sampler and trainer are the same", () => {
  const rows = metricsOf(run).filter(({ step }) => step !== 0);
  assert.deepEqual(
    rows.map(({ step }) => step),
    [1, 2, 3, 4, 5, 6],
  );
  const keys = `step stage reward/mean reward/std reward/length/mean reward/exact/mean loss kl/mean entropy/mean
    ratio/clip_low ratio/clip_high grad_norm length/mean length/truncated group/zero_std mismatch/logprob_max_abs
    tokens/rollout tokens/train_unique tokens/train_logical time/rollout_s time/reward_s time/update_s memory/peak_mb`;
  for (const row of rows) {
    for (const key of keys.split(/\s+/)) assert.notEqual(row[key] ?? null, null, `${key} of step ${row.step}`);
    assert.equal(row["mismatch/logprob_max_abs"], 0);
    assert.ok(Number(row["tokens/train_unique"]) < Number(row["tokens/train_logical"]));
  }
  // Before the first step, and where it is due.
  const evaluated = metricsOf(run).filter((row) => "eval/reward/mean" in row);
  assert.deepEqual(
    evaluated.map(({ step }) => step),
    [0, 3, 6],
  );
});

test("rollouts hold every completion with its log-probs, rewards and advantages", () => {
  const rows = readRollouts(join(run, "rollouts/step-000001.arrow"));
  assert.equal(rows.length, 12);
  const [first] = metricsOf(run).filter(({ step }) => step === 1);
  const mean = rows.reduce((sum, { reward }) => sum + reward, 0) / 12;
  assert.ok(Math.abs(mean - Number(first!["reward/mean"])) < 1e-12);
  for (const row of rows) {
    assert.match(row.prompt, /^\d\+\d=$/);
    assert.equal(row.logprobs.length, row.tokens.length);
    assert.equal(row.advantage.length, row.tokens.length);
    assert.ok(row.tokens.length <= 4 && row.logprobs.every((x) => x < 0));
    assert.equal(row.reward, row.components.length! + row.components.exact!);
  }
});

for (const [what, set] of Object.entries({
  "the same command": [],
  "one thread": ["run.threads=1"],
  "two threads and the smallest micro-batches": ["run.threads=2", "train.max_tokens_per_microbatch=1"],
  "activation checkpointing": ["train.activation_checkpointing=layer"],
})) {
  test(`${what} gives the same metrics, rollouts, weights and moments, byte for byte`, () => {
    const name = what.replaceAll(" ", "-");
    const { code, err } = grpo(folder, tinyArguments(folder, `run.name=${name}`, ...set));
    assert.deepEqual([code, err], [0, ""]);
    assert.deepEqual(contentOf(join(folder, "runs", name)), contentOf(run));
  });
}

test("rewards that return late and in any order change nothing", () => {
  const late = `export default async (samples) => {
    await new Promise((done) => setTimeout(done, 20 * Math.random()));
    return samples.map(({ tokens }) => tokens.length / 4);
  };`;
  const [swift, slow] = ["swift", "slow"].map((name) => {
    writeFileSync(join(folder, `${name}.mjs`), name === "slow" ? late : late.replace(/await new.*/, ""));
    const rewards = `rewards=[{name: judge, kind: module, module: ${name}.mjs, scope: sample}]`;
    const { code, err } = grpo(folder, tinyArguments(folder, `run.name=${name}`, "train.steps=3", rewards));
    assert.deepEqual([code, err], [0, ""]);
    return contentOf(join(folder, "runs", name));
  });
  assert.deepEqual(slow, swift);
});

test("a row that is drawn twice in a step gives two different groups", () => {
  const one = ["run.name=twice", "train={steps: 1, prompts_per_step: 2, minibatches: 1}", "data.train.limit=1"];
  assert.equal(grpo(folder, tinyArguments(folder, ...one)).code, 0);
  const rows = readRollouts(join(folder, "runs/twice/rollouts/step-000001.arrow"));
  assert.equal(new Set(rows.map(({ prompt }) => prompt)).size, 1);
  const group = (index: number) => rows.filter((row) => row.group === index).map(({ tokens }) => [...tokens].join());
  assert.equal(group(0).length, 4);
  for (const [i, tokens] of group(0).entries()) assert.notEqual(tokens, group(1)[i]);
});

test("evaluations leave the training as it is", () => {
  assert.equal(grpo(folder, tinyArguments(folder, "run.name=blind", "eval=null")).code, 0);
  const { metrics: _, ...files } = contentOf(join(folder, "runs/blind"));
  for (const [file, bytes] of Object.entries(files)) {
    if (!file.endsWith("state.json")) assert.deepEqual(bytes, contentOf(run)[file], file);
  }
});

test("a reference model is there with a KL term, and not without one", () => {
  const without = ["run.name=free", "objective.kl.coefficient=0", "train.steps=2"];
  assert.equal(grpo(folder, tinyArguments(folder, ...without)).code, 0);
  const slots = (of: string) => existsSync(join(of, "checkpoints/step-000002/trainer/models/reference"));
  assert.deepEqual([slots(run), slots(join(folder, "runs/free"))], [true, false]);
  assert.ok(metricsOf(join(folder, "runs/free")).every((row) => (row["kl/mean"] ?? null) === null));
});

test("another seed gives another run", () => {
  const { code } = grpo(folder, tinyArguments(folder, "run.name=seed", "run.seed=4", "train.steps=1"));
  assert.equal(code, 0);
  assert.notDeepEqual(
    readRollouts(join(folder, "runs/seed/rollouts/step-000001.arrow")),
    readRollouts(join(run, "rollouts/step-000001.arrow")),
  );
});

test("bf16 has no mismatch either, and shared_prefix off sees the same policy", () => {
  const { code } = grpo(folder, tinyArguments(folder, "run.name=bf16", "model.dtype=bf16", "train.shared_prefix=off"));
  assert.equal(code, 0);
  const rows = metricsOf(join(folder, "runs/bf16")).filter(({ step }) => step !== 0);
  assert.ok(rows.every((row) => row["mismatch/logprob_max_abs"] === 0));
  assert.ok(rows.every((row) => row["tokens/train_unique"] === row["tokens/train_logical"]));
});

test("a learning rate of 0 leaves a loaded checkpoint bit-identical, weights and tokenizer", () => {
  const from = join(run, "checkpoints/step-000006");
  const args = tinyArguments(folder, "run.name=still", "optimizer.learning_rate=0", "train.steps=2");
  writeFileSync(
    join(folder, "still.yaml"),
    readFileSync(join(folder, "run.yaml"), "utf8").replace(/model:[\s\S]*?(?=data:)/, `model: {path: ${from}}\n`),
  );
  const { code, err } = grpo(
    folder,
    args.map((arg) => (arg === "run.yaml" ? "still.yaml" : arg)),
  );
  assert.deepEqual([code, err], [0, ""]);
  for (const file of ["model.safetensors", "config.json", "generation_config.json", "tokenizer.json"]) {
    const kept = readFileSync(join(folder, "runs/still/checkpoints/step-000002", file));
    assert.deepEqual(kept, readFileSync(join(from, file)), file);
  }
});

test("an existing run folder exits 3; --overwrite moves it aside", () => {
  const again = grpo(folder, tinyArguments(folder, "train.steps=1"));
  assert.deepEqual(again, {
    code: 3,
    out: "",
    err: `the run folder ${run} is there already
  continue it with --resume, move it aside with --overwrite, or choose another \`run.name\`
`,
  });
  const other = join(folder, "runs/seed");
  copyFileSync(join(other, "metrics.jsonl"), join(folder, "old.jsonl"));
  const { code } = grpo(folder, [...tinyArguments(folder, "run.name=seed", "train.steps=1"), "--overwrite"]);
  assert.equal(code, 0);
  assert.deepEqual(readFileSync(`${other}.old-1/metrics.jsonl`), readFileSync(join(folder, "old.jsonl")));
  assert.equal(metricsOf(other).at(-1)!.step, 1);
});

test("--dry-run checks everything and leaves no run folder", () => {
  const { code, out, err } = grpo(folder, [...tinyArguments(folder, "run.name=dry"), "--dry-run"]);
  assert.deepEqual([code, err], [0, ""]);
  assert.match(out, /^grpo: builtin:addition: 86 prompts of 4 to 4 tokens, mean 4\.0$/m);
  assert.match(out, /dry run: nothing was trained/);
  assert.equal(existsSync(join(folder, "runs/dry")), false);
});

test("a folder that cannot be written exits 4", () => {
  writeFileSync(join(folder, "file"), "");
  const blocked = grpo(folder, tinyArguments(folder, "run.out_dir=file"));
  assert.deepEqual(blocked, {
    code: 4,
    out: "",
    err: `cannot write ${join(folder, "file/tiny")}: a part of the path is a file, not a folder
  choose another \`run.out_dir\`
`,
  });
});

test("a folder without permission exits 4", {
  skip: process.getuid?.() === 0 ? "root may write anywhere" : false,
}, () => {
  mkdirSync(join(folder, "locked"), { mode: 0o500 });
  const { code, err } = grpo(folder, tinyArguments(folder, "run.out_dir=locked"));
  assert.equal(code, 4);
  assert.match(err, /^cannot write .*locked\/tiny: permission denied\n {2}choose another `run\.out_dir`/);
});
