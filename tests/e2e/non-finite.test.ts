import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { grpo, metricsOf, scratch } from "../program.js";
import { tinyArguments } from "./tiny-run.js";

const folder = scratch();
// One such step takes the weights beyond what float32 holds; every later update has no finite loss.
const wild = ["optimizer.learning_rate=1.0e30", "eval=null", "train={steps: 3, minibatches: 1}"];

test("an update without a finite loss stops the run with exit 1 and leaves its rows to look at", () => {
  const { code, err } = grpo(folder, tinyArguments(folder, "run.name=stops", ...wild));
  assert.equal(code, 1);
  const dump = join(folder, "runs/stops/dumps/step-000002.json");
  assert.match(
    err.replace(dump, "DUMP"),
    /^step 2: the loss is \S+ and the gradient norm \S+; the update was not made; its rows are in DUMP\n {2}lower optimizer\.learning_rate and resume from the last checkpoint; to leave such updates out, set optimizer\.non_finite to skip\n$/,
  );
  const { step, rows } = JSON.parse(readFileSync(dump, "utf8"));
  assert.equal(step, 2);
  assert.equal(rows.length, 12);
  for (const row of rows) {
    assert.ok(row.prompt.length > 0 && row.tokens.length > 0 && typeof row.text === "string");
    assert.equal(typeof row.reward, "number");
    assert.equal(row.advantage.length, row.tokens.length);
    assert.equal(row.rollout.length, row.tokens.length);
  }
  assert.equal(metricsOf(join(folder, "runs/stops")).at(-1)!.step, 1);
});

for (const kind of ["grpo", "sft"]) {
  test(`under skip such an update of ${kind} is left out and counted`, () => {
    const stages = "stages=[{kind: sft, train: {steps: 3}}, {kind: grpo, train: {steps: 0}}]";
    const args = tinyArguments(
      folder,
      `run.name=skips-${kind}`,
      "eval=null",
      "optimizer={learning_rate: 1.0e30, non_finite: skip}",
      kind === "grpo" ? "train={steps: 3, minibatches: 1}" : stages,
    );
    const { code, out, err } = grpo(folder, args);
    assert.deepEqual([code, err], [0, ""]);
    const run = join(folder, `runs/skips-${kind}`);
    assert.match(out, /^step 3: .*; the update was not made; its rows are in .*step-000003\.json$/m);
    assert.ok(existsSync(join(run, "dumps/step-000003.json")));
    const steps = metricsOf(run);
    assert.deepEqual(
      steps.map((step) => [step["update/skipped"], step.loss === null]),
      [
        [0, false],
        [1, true],
        [1, true],
      ],
    );
  });
}

test("an update whose gradient norm reaches optimizer.skip_grad_norm is left out, counted, and the run goes on", () => {
  const norms = (limit: number | null) => {
    const name = `norm-${limit}`;
    const optimizer = `optimizer={learning_rate: 1.0e-3, skip_grad_norm: ${limit}}`;
    const train = "stages=[{kind: sft, train: {steps: 3}}, {kind: grpo, train: {steps: 0}}]";
    const { code, out, err } = grpo(folder, tinyArguments(folder, `run.name=${name}`, "eval=null", optimizer, train));
    assert.deepEqual([code, err], [0, ""]);
    const run = join(folder, "runs", name);
    assert.ok(!existsSync(join(run, "dumps")), "rows are dumped for what is not finite alone");
    return { out, steps: metricsOf(run) };
  };
  const free = norms(null).steps;
  assert.ok(free.every((step) => !("update/skipped" in step)));
  const first = free[0]!.grad_norm as number;
  const over = norms(first);
  assert.equal(over.steps[0]!["update/skipped"], 1);
  assert.equal(over.steps[0]!.loss, null);
  assert.match(
    over.out,
    /^step 1: the gradient norm is \S+ and optimizer\.skip_grad_norm is \S+; the update was not made$/m,
  );
  const under = norms(1e6).steps;
  assert.deepEqual(
    under.map((step) => [step["update/skipped"], step.loss, step.grad_norm]),
    free.map((step) => [0, step.loss, step.grad_norm]),
  );
});
