import assert from "node:assert/strict";
import { test } from "node:test";
import { sharedPath } from "../shared.js";
import { runModelFolder } from "./model.js";

for (const name of ["tiny-llama", "tiny-llama3-rope", "tiny-qwen2", "tiny-qwen3"]) {
  const folder = sharedPath("data/models", name);
  const skip = folder === null ? "the shared data folder is not here" : false;
  test(`${name}: logits, log-probs, entropies, gradients and the greedy continuation are those of its reference`, {
    skip,
  }, async () => {
    const { passed, failed, messages } = await runModelFolder(folder!);
    assert.deepEqual(messages, []);
    assert.equal(failed, 0);
    assert.ok(passed > 20);
  });
}
