import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { grpo, metricsOf, scratch } from "../program.js";
import { tinyArguments } from "./tiny-run.js";

/** Reward and loss of each step. Recorded once, with the avx512bf16 kernels; the scalar and AVX2 ones give them as well. */
const recorded: [number, number][] = [
  [0.140625, 0.176539],
  [0.078125, 0.207928],
  [0.203125, 0.191286],
  [0.21875, 0.266346],
  [0.453125, 0.337248],
  [0.375, 0.404443],
  [0.5625, 0.324048],
  [0.515625, 0.300084],
  [0.515625, 0.293401],
  [0.53125, -0.097867],
  [0.5625, -0.061271],
  [0.5, 0.183005],
  [0.515625, -0.05751],
  [0.53125, 0.148571],
  [0.546875, 0.013956],
  [0.546875, 0.262373],
  [0.546875, 0.189469],
  [0.578125, 0.09257],
  [0.578125, -0.045712],
  [0.609375, -0.182862],
];

/** Rewards are sums of few numbers and must be equal; losses may differ as instruction sets differ in their last bits. */
const tolerance = { reward: 1e-9, loss: 1e-4 };

test("20 steps from a fixed seed give the recorded rewards and losses", () => {
  const folder = scratch();
  const set = [
    "train={steps: 20, prompts_per_step: 4}",
    "eval=null",
    "rollout={group_size: 8, max_completion_tokens: 5}",
  ];
  const { code, err } = grpo(folder, tinyArguments(folder, ...set));
  assert.deepEqual([code, err], [0, ""]);
  const found = metricsOf(join(folder, "runs/tiny")).map((row) => [Number(row["reward/mean"]), Number(row.loss)]);
  assert.equal(found.length, recorded.length);
  for (const [i, [reward, loss]] of recorded.entries()) {
    assert.ok(
      Math.abs(found[i]![0]! - reward) <= tolerance.reward,
      `reward of step ${i + 1}: ${found[i]![0]}, not ${reward}`,
    );
    assert.ok(Math.abs(found[i]![1]! - loss) <= tolerance.loss, `loss of step ${i + 1}: ${found[i]![1]}, not ${loss}`);
  }
  const rewards = recorded.map(([reward]) => reward);
  assert.ok(Math.min(...rewards.slice(15)) > 2 * rewards[0]!, "the curve is one of learning");
});
