import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { grpo, metricsOf, scratch } from "../program.js";
import { tinyArguments } from "./tiny-run.js";

const folder = scratch();
const short = ["eval=null", "checkpoint.every=0", "data.train.limit=7", "train.epochs=2"];

test("train.epochs makes as many steps as the data fill whole, and says what shared prompts save", () => {
  const { code, err } = grpo(folder, tinyArguments(folder, ...short, "run.name=two"));
  assert.deepEqual([code, err], [0, ""]);
  const rows = metricsOf(join(folder, "runs/two"));
  assert.equal(rows.length, 2 * Math.floor(7 / 3));
  for (const row of rows) {
    assert.ok(Number(row["tokens/attention_share"]) > 0.2 && Number(row["tokens/attention_share"]) < 1);
  }
});

test("train.epochs refuses data that do not fill a step, and train.steps beside it", () => {
  const few = grpo(folder, tinyArguments(folder, ...short, "data.train.limit=2"));
  assert.equal(few.code, 4);
  assert.equal(
    few.err,
    "grpo: 2 rows do not fill a step of 3\n  lower train.prompts_per_step, or give train.steps in place of train.epochs\n",
  );
  const both = grpo(folder, tinyArguments(folder, ...short, "train.steps=5"));
  assert.equal(both.code, 3);
  assert.match(both.err, /train\.steps: has no effect with train\.epochs, which says how many steps there are/);
});

test("an unlikeliness reward that asks for it records which right samples have become more probable", () => {
  const shape = 'shape=[{"kind": "unlikeliness", "uplift": true}]';
  const { code, err } = grpo(folder, tinyArguments(folder, ...short, shape, "run.name=uplift"));
  assert.deepEqual([code, err], [0, ""]);
  const names = metricsOf(join(folder, "runs/uplift")).flatMap((row) => Object.keys(row));
  for (const quarter of [1, 2, 3, 4]) assert.ok(names.includes(`unlikeliness/uplift_${quarter}`));
});
