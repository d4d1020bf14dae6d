import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { contentOf, grpo, grpoUntil, metricsOf, scratch } from "../program.js";
import { tinyArguments } from "./tiny-run.js";

const ppo = [
  "rollout={group_size: 2, max_completion_tokens: 4}",
  "advantage={kind: gae, lambda: 0.9}",
  "objective={kl: {coefficient: 0.05, estimator: k1, placement: reward}, terms: [{kind: value, coefficient: 0.5}]}",
  "train.steps=4",
  "checkpoint={every: 1, keep_last: 10}",
];

test("PPO trains policy and value head, and a killed run resumes to the uninterrupted one, byte for byte", async () => {
  const folder = scratch();
  const args = (name: string, ...set: string[]) => tinyArguments(folder, ...ppo, `run.name=${name}`, ...set);
  const { code, err, out } = grpo(folder, args("whole"));
  assert.deepEqual([code, err], [0, ""], out);
  const whole = join(folder, "runs/whole");
  const values = metricsOf(whole).flatMap((row) => ("value/mean" in row ? [Number(row["value/mean"])] : []));
  assert.equal(values.length, 4);
  assert.ok(values[0] === 0 && values[3] !== 0, `the head starts at 0 and learns: ${values}`);
  assert.ok(existsSync(join(whole, "checkpoints/step-000004/value_head.safetensors")));

  await grpoUntil(folder, args("killed"), /^grpo 3\//m, (child) => child.kill("SIGKILL"));
  const resumed = grpo(folder, [...args("killed", "train.max_tokens_per_microbatch=20"), "--resume"]);
  assert.deepEqual([resumed.code, resumed.err], [0, ""]);
  assert.deepEqual(contentOf(join(folder, "runs/killed")), contentOf(whole));

  const on = grpo(folder, args("on", "model={path: runs/whole/checkpoints/step-000004}", "train.steps=1"));
  assert.deepEqual([on.code, on.err], [0, ""]);
  const start = metricsOf(join(folder, "runs/on")).find((row) => "value/mean" in row)!;
  assert.notEqual(start["value/mean"], 0, "a run from a checkpoint starts with its value head");
});
