import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { contentOf, grpo, metricsOf, scratch } from "../program.js";
import { tinyArguments } from "./tiny-run.js";

const folder = scratch();
const count = new URL("./count-gathers.js", import.meta.url).href;

/** Wide enough that products are taken over. */
const wide = ["model.architecture.hidden_size=256", "train.steps=4", "train.prompts_per_step=2"];

for (const [name, set] of [
  ["one update", ["train.minibatches=1"]],
  ["two passes of two minibatches, with resampling", ["train.updates_per_rollout=2", "collect.zero_variance=resample"]],
  ["bf16", ["train.minibatches=1", "model.dtype=bf16"]],
] as const) {
  test(`${name}: products taken over from the rollout change no byte of a run`, () => {
    const run = (reuse: string, gathers: number) => {
      const at = `${name.replaceAll(/\W+/g, "-")}-${reuse}`;
      const counted = join(folder, `${at}.gathers`);
      const { code, err, out } = grpo(
        folder,
        tinyArguments(folder, ...wide, ...set, `run.name=${at}`, `train.reuse_products=${reuse}`),
        { NODE_OPTIONS: `--import=${count}`, GRPO_TEST_GATHERS: counted },
      );
      assert.deepEqual([code, err], [0, ""], out);
      assert.equal(Number(readFileSync(counted, "utf8")), gathers);
      return join(folder, "runs", at);
    };
    // Four products in each of two layers, in the first minibatch of every step but the first.
    const [on, off] = [run("on", 4 * 2 * 3), run("off", 0)];
    assert.deepEqual(contentOf(on), contentOf(off));
    for (const step of metricsOf(on).slice(1)) assert.equal(step["mismatch/logprob_max_abs"], 0);
  });
}
