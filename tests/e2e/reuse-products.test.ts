import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { contentOf, grpo, metricsOf, scratch } from "../program.js";
import { tinyArguments } from "./tiny-run.js";

const folder = scratch();

/** Wide enough that products are taken over. */
const wide = ["model.architecture.hidden_size=256", "train.steps=4", "train.prompts_per_step=2"];

for (const [name, set] of [
  ["one update", ["train.minibatches=1"]],
  ["two passes of two minibatches, with resampling", ["train.updates_per_rollout=2", "collect.zero_variance=resample"]],
  ["bf16", ["train.minibatches=1", "model.dtype=bf16"]],
] as const) {
  test(`${name}: products taken over from the rollout change no byte of a run`, () => {
    const run = (reuse: string) => {
      const at = `${name.replaceAll(/\W+/g, "-")}-${reuse}`;
      const { code, err, out } = grpo(
        folder,
        tinyArguments(folder, ...wide, ...set, `run.name=${at}`, `train.reuse_products=${reuse}`),
      );
      assert.deepEqual([code, err], [0, ""], out);
      return join(folder, "runs", at);
    };
    const [on, off] = [run("on"), run("off")];
    assert.deepEqual(contentOf(on), contentOf(off));
    for (const step of metricsOf(on).slice(1)) assert.equal(step["mismatch/logprob_max_abs"], 0);
  });
}
