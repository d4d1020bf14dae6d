import assert from "node:assert/strict";
import { join } from "node:path";
import { before, test } from "node:test";
import { contentOf, grpo, grpoUntil, metricsOf, scratch } from "../program.js";
import { tinyArguments } from "./tiny-run.js";

const folder = scratch();
const lagging = (name: string) =>
  tinyArguments(
    folder,
    `run.name=${name}`,
    "rollout.sync={interval: 3, offset: 1}",
    "objective={kind: rec, kl: {coefficient: 0}}",
    "checkpoint={every: 1, keep_last: 10}",
    "train={steps: 8, minibatches: 1}",
  );
const whole = join(folder, "runs/whole");

before(() => {
  const { code, err, out } = grpo(folder, lagging("whole"));
  assert.deepEqual([code, err], [0, ""], out);
});

test("the sampler takes the weights of every third step, one step late", () => {
  const steps = metricsOf(whole).filter(({ step }) => Number(step) > 0);
  assert.deepEqual(
    steps.map((step) => step["rollout/age_steps"]),
    [0, 1, 2, 3, 1, 2, 3, 1],
  );
  // The policy has left the weights that sampled, except where they are its own; only there the two must agree.
  assert.deepEqual(
    steps.map((step) => step["kl/old"] === 0),
    [true, false, false, false, false, false, false, false],
  );
  assert.deepEqual(
    steps.map((step) => step["mismatch/logprob_max_abs"]),
    [0, null, null, null, null, null, null, null],
  );
});

for (const done of [2, 4, 7]) {
  test(`lagging weights, and those that wait, survive a kill after step ${done}, byte for byte`, async () => {
    const name = `killed-${done}`;
    await grpoUntil(folder, lagging(name), new RegExp(`^grpo ${done}/`, "m"), (child) => child.kill("SIGKILL"));
    const { code, err, out } = grpo(folder, [...lagging(name), "--resume"]);
    assert.deepEqual([code, err], [0, ""], out);
    assert.deepEqual(contentOf(join(folder, "runs", name)), contentOf(whole));
  });
}

test("old log-probs are of the policy at the start of the step, unless the method asks for the policy that sampled", () => {
  const args = tinyArguments(
    folder,
    "run.name=decoupled",
    "rollout.sync={interval: 3}",
    "objective={kl: {coefficient: 0}, rollout_correction: {unit: token, mode: truncate, max: 2}}",
    "train={steps: 4, minibatches: 1}",
  );
  const { code, err } = grpo(folder, args);
  assert.deepEqual([code, err], [0, ""]);
  const steps = metricsOf(join(folder, "runs/decoupled")).filter(({ step }) => Number(step) > 0);
  for (const step of steps) assert.deepEqual([step["kl/old"], step["ratio/min"], step["ratio/max"]], [0, 1, 1]);
  assert.deepEqual(
    steps.map((step) => step["rollout/age_steps"]),
    [0, 1, 2, 0],
  );
  assert.deepEqual(
    steps.map((step) => step["mismatch/logprob_max_abs"]),
    [0, null, null, 0],
  );
});
