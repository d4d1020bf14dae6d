import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { grpo, metricsOf, scratch } from "../program.js";
import { tinyArguments } from "./tiny-run.js";

/** Reward and loss of each step. Recorded once, with the avx512bf16 kernels; the scalar ones give them as well. */
const recorded: [number, number][] = [
];

/** Rewards are sums of few numbers and must be equal; losses may differ as instruction sets differ in their last bits. */
const tolerance = { reward: 1e-9, loss: 1e-4 };

test("20 steps from a fixed seed give the recorded rewards and losses", () => {
  const folder = scratch();
  const set = ["train={steps: 20, prompts_per_step: 4}", "eval=null", "rollout={group_size: 8, max_completion_tokens: 5}"];
  const { code, err } = grpo(folder, tinyArguments(folder, ...set));
  assert.deepEqual([code, err], [0, ""]);
  const found = metricsOf(join(folder, "runs/tiny")).map((row) => [Number(row["reward/mean"]), Number(row.loss)]);
  if (process.env.RECORD) writeFileSync(process.env.RECORD, JSON.stringify(found));
  assert.equal(found.length, recorded.length);
  for (const [i, [reward, loss]] of recorded.entries()) {
    assert.ok(Math.abs(found[i]![0]! - reward) <= tolerance.reward, `reward of step ${i + 1}: ${found[i]![0]}, not ${reward}`);
    assert.ok(Math.abs(found[i]![1]! - loss) <= tolerance.loss, `loss of step ${i + 1}: ${found[i]![1]}, not ${loss}`);
  }
  const rewards = recorded.map(([reward]) => reward);
  assert.ok(Math.min(...rewards.slice(15)) > 2 * rewards[0]!, "the curve is one of learning");
});
