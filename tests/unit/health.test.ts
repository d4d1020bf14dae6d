import assert from "node:assert/strict";
import { test } from "node:test";
import { runSchema } from "../../src/config/schema/run.js";
import { Health } from "../../src/pipeline/health.js";

/** What is said over steps with these values of a metric. */
function said(metric: string, values: readonly (number | null)[], health: object | null = { patience: 3 }): string[] {
  const lines: string[] = [];
  const watch = new Health(runSchema.parse({ health }).health, (text) => lines.push(text));
  for (const value of values) watch.look({ step: 1, [metric]: value });
  return lines;
}

test("a bound that is passed for `patience` steps on end is told once, with the value and advice", () => {
  assert.deepEqual(said("grad_norm", [11, 12, 13.456, 14, 15, 1, 20, 20, 20]), [
    "advice: grad_norm has been above 10 for 3 steps (now 13.5): updates are unstable; lower optimizer.learning_rate",
  ]);
  assert.equal(said("entropy/mean", [0.5, 0.001, 0.002, 0.001]).length, 1);
});

test("steps that are not on end, values at the bound and missing metrics are no news", () => {
  assert.deepEqual(said("grad_norm", [11, 12, 1, 11, 12]), []);
  assert.deepEqual(said("group/zero_std_wrong", [0.8, 0.8, 0.8, 0.8]), []);
  assert.deepEqual(said("kl/mean", [null, null, null, null]), []);
  assert.deepEqual(said("reward/mean", [0, 0, 0, 0]), []);
});

test("bounds can be moved and taken away, one by one or all together", () => {
  assert.equal(said("length/truncated", [0.5, 0.5], { patience: 2, truncated_max: 0.4 }).length, 1);
  assert.deepEqual(said("length/truncated", [1, 1], { patience: 2, truncated_max: null }), []);
  assert.deepEqual(said("length/truncated", Array(20).fill(1), null), []);
});

test("a mean reward that falls below half of its best mean over `patience` steps is told once as a collapse", () => {
  assert.deepEqual(said("reward/mean", [0.2, 0.8, 0.8, 0.8, 0.5, 0.4, 0.2, 0.1, 0.1]), [
    "advice: reward/mean has fallen to 0.367 over 3 steps, after 0.800 at its best: the run may have collapsed; go back to an earlier checkpoint with a lower optimizer.learning_rate or weaker penalties",
  ]);
  assert.deepEqual(said("reward/mean", [0.8, 0.8, 0.8, 0, 0.8, 0.8, 0.8]), []);
  assert.deepEqual(said("reward/mean", [-1, -1, -1, -5, -5, -5]), []);
  assert.deepEqual(said("reward/mean", [1, 1, 1, 0, 0, 0], { patience: 3, reward_drop_max: null }), []);
});
