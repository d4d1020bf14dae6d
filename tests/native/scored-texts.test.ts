import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Pooling, poolHidden, poolHiddenBackward } from "../../src/algorithms/pooling.js";
import { packRows } from "../../src/engine/ops/panels.js";
import type { Decoder } from "../../src/model/decoder.js";
import { loadRewardModel, newRewardHead, type RewardHead, saveRewardModel } from "../../src/model/reward-model.js";
import { scoreTexts, textEpisodes } from "../../src/pipeline/scored-texts.js";
import { integers } from "../forests.js";
import { randomNumbers } from "../random-rows.js";
import { families, tinyDecoder } from "../tiny-decoder.js";

const pass = { temperature: 1, vocabSize: 93, maxTokens: 4096, sharedPrefix: true, checkpoint: false };
const poolings: Pooling[] = ["last", "mean", "cls"];

function randomHead(decoder: Decoder, pooling: Pooling): RewardHead {
  const head = newRewardHead(decoder, { kind: "labels", names: ["a", "b"], pooling, activation: "linear" });
  const random = randomNumbers(3);
  for (const parameter of head.scalar.parameters()) {
    const values = Float32Array.from({ length: parameter.count }, () => random() - 0.5);
    packRows(parameter, 0, values);
  }
  return head;
}

/** Texts of 9 tokens after prompts of 70, two per prompt. */
function texts() {
  const draw = integers(9);
  const ids = (n: number) => Array.from({ length: n }, () => draw(93));
  return [0, 1].flatMap((owner) => {
    const prompt = ids(70);
    return [0, 1].map(() => ({ tokens: Int32Array.from([...prompt, ...ids(9)]), promptLength: 70, owner }));
  });
}

for (const pooling of poolings) {
  test(`${pooling}: a text scores the same bits alone, beside others, and in any cut`, async () => {
    const decoder = tinyDecoder("f32", families["qwen2, tied"]);
    const head = randomHead(decoder, pooling);
    const all = texts();
    const together = await scoreTexts(decoder, head, textEpisodes(all, 512), pass);
    assert.deepEqual(await scoreTexts(decoder, head, textEpisodes(all, 512), { ...pass, maxTokens: 1 }), together);
    for (const [i, text] of all.entries()) {
      assert.deepEqual(await scoreTexts(decoder, head, textEpisodes([text], 512), pass), [together[i]]);
    }
    assert.ok(together.every((scores) => scores.length === 2 && scores.every(Number.isFinite)));
    head.scalar.dispose();
    decoder.dispose();
  });

  test(`${pooling}: the gradient of pooling is that of differences`, () => {
    const random = randomNumbers(17);
    const array = (n: number) => Float64Array.from({ length: n }, () => 2 * random() - 1);
    const [hidden, dpooled] = [array(15), array(3)];
    const mask = pooling === "cls" ? Uint8Array.of(1, 0, 0, 0, 0) : Uint8Array.of(0, 1, 1, 0, 1);
    const loss = () => poolHidden(hidden, mask, pooling).reduce((sum, value, c) => sum + value * dpooled[c]!, 0);
    const gradient = poolHiddenBackward(dpooled, mask, pooling);
    hidden.forEach((value, i) => {
      const h = 1e-6;
      const at = (moved: number) => {
        hidden[i] = moved;
        return loss();
      };
      const want = (at(value + h) - at(value - h)) / (2 * h);
      hidden[i] = value;
      assert.ok(Math.abs(gradient[i]! - want) < 1e-8, `${i}: ${gradient[i]} against ${want}`);
    });
  });
}

test("a text that does not fit loses the end of its response, then of its prompt", () => {
  const [text] = textEpisodes([{ tokens: Int32Array.of(1, 2, 3, 4, 5), promptLength: 3, owner: 0 }], 4);
  assert.deepEqual(text!.leaf.parent!.tokens, Int32Array.of(1, 2, 3));
  assert.deepEqual(text!.leaf.tokens, Int32Array.of(4, 0));
  const [prompt] = textEpisodes([{ tokens: Int32Array.of(1, 2, 3, 4, 5), promptLength: 3, owner: 0 }], 2);
  assert.deepEqual(prompt!.leaf.parent!.tokens, Int32Array.of(1, 2));
  assert.deepEqual(prompt!.leaf.tokens, Int32Array.of(0));
});

for (const family of ["qwen2, tied", "llama, untied"] as const) {
  test(`${family}: a saved reward model comes back with its labels and scores the same bits`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "grpo-reward-model-"));
    const decoder = tinyDecoder("f32", families[family]);
    const head = randomHead(decoder, "mean");
    await saveRewardModel(decoder, head, folder, 0);
    const again = await loadRewardModel(folder);
    assert.deepEqual(again.head.labels, head.labels);
    const episodes = textEpisodes(texts(), 512);
    assert.deepEqual(
      await scoreTexts(again.decoder, again.head, episodes, pass),
      await scoreTexts(decoder, head, episodes, pass),
    );
    for (const one of [decoder, head.scalar, again.decoder, again.head.scalar]) one.dispose();
    rmSync(folder, { recursive: true });
  });
}
