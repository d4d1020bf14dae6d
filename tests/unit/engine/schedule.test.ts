import assert from "node:assert/strict";
import { test } from "node:test";
import { learningRate, type Schedule } from "../../../src/engine/schedule.js";

/** The rates of all steps, rounded so that two orders of the same arithmetic compare equal. */
function rates(schedule: Schedule, total: number): number[] {
  return Array.from({ length: total }, (_, step) => Number(learningRate(schedule, step, total, 2).toFixed(12)));
}

// From transformers 5.18: get_scheduler(name, ..., num_warmup_steps=2, num_training_steps=total), peak 2.
test("constant is Hugging Face's constant_with_warmup", () => {
  assert.deepEqual(rates({ kind: "constant", warmup_steps: 2 }, 6), [0, 1, 2, 2, 2, 2]);
});

test("linear is Hugging Face's linear", () => {
  const want = [0, 1, 2, 1.666666666667, 1.333333333333, 1, 0.666666666667, 0.333333333333];
  assert.deepEqual(rates({ kind: "linear", warmup_steps: 2, final_ratio: 0 }, 8), want);
});

test("cosine is Hugging Face's cosine, and cosine_with_min_lr with a final ratio", () => {
  const want = [0, 1, 2, 1.866025403784, 1.5, 1, 0.5, 0.133974596216];
  assert.deepEqual(rates({ kind: "cosine", warmup_steps: 2, final_ratio: 0 }, 8), want);
  const raised = [0, 1, 2, 1.879422863406, 1.55, 1.1, 0.65, 0.320577136594];
  assert.deepEqual(rates({ kind: "cosine", warmup_steps: 2, final_ratio: 0.1 }, 8), raised);
});

test("wsd warms up from 0, stays, and falls as Hugging Face's warmup_stable_decay", () => {
  const schedule: Schedule = { kind: "wsd", warmup_steps: 2, decay_steps: 4, final_ratio: 0.25 };
  assert.deepEqual(rates(schedule, 10), [0, 1, 2, 2, 2, 2, 2, 1.625, 1.25, 0.875]);
});

test("without warm-up the first step has the peak, and a stage of one step is defined", () => {
  assert.equal(learningRate({ kind: "cosine", warmup_steps: 0, final_ratio: 0 }, 0, 1, 2), 2);
  assert.equal(learningRate({ kind: "linear", warmup_steps: 3, final_ratio: 0 }, 3, 3, 2), 2);
});
