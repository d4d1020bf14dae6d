import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Encoder } from "../../src/model/encoder.js";
import { openTextEmbedder } from "../../src/pipeline/text-embedder.js";
import { writeCharacterTokenizer } from "../../src/tokenizer/character.js";
import { projectRoot } from "../shared.js";

const models = join(projectRoot, "tests/golden/vectors/encoders");
const folder = mkdtempSync(join(tmpdir(), "grpo-encoder-"));
after(() => rmSync(folder, { recursive: true, force: true }));

interface Text {
  ids: number[];
  rows: number[];
  states: number[][];
}

const textsOf = (name: string): Text[] => JSON.parse(readFileSync(join(models, name, "states.json"), "utf8")).texts;

for (const name of ["bert", "xlm-roberta"]) {
  test(`hidden states of ${name} are those of transformers`, async () => {
    const encoder = await Encoder.load(join(models, name));
    const texts = textsOf(name);
    const hidden = await encoder.hidden(texts.map(({ ids }) => Int32Array.from(ids)));
    const width = encoder.config.hiddenSize;
    for (const [i, { ids, rows, states }] of texts.entries()) {
      assert.equal(hidden[i]!.length, ids.length * width);
      rows.forEach((row, k) => {
        states[k]!.forEach((want, c) => {
          const got = hidden[i]![row * width + c]!;
          assert.ok(Math.abs(got - want) < 2e-5 * Math.max(1, Math.abs(want)), `${i} ${row} ${c}: ${got} ${want}`);
        });
      });
    }
    encoder.dispose();
  });
}

test("the states of a text are the same bits whatever is encoded beside it", async () => {
  const encoder = await Encoder.load(join(models, "bert"));
  const texts = textsOf("bert").map(({ ids }) => Int32Array.from(ids));
  const together = await encoder.hidden(texts);
  for (const [i, ids] of texts.entries()) assert.deepEqual(await encoder.hidden([ids]), [together[i]]);
  encoder.dispose();
});

test("an embedder pools the states of a text; one that is too long keeps its start and its last token", async () => {
  const alphabet = String.fromCharCode(...Array.from({ length: 37 }, (_, i) => 97 + i));
  const model = join(folder, "bert");
  cpSync(join(models, "bert"), model, { recursive: true });
  writeCharacterTokenizer(model, alphabet);
  const embedder = await openTextEmbedder(model, "mean");
  const encoder = await Encoder.load(model);
  const long = "abc".repeat(60);
  const [short, cut, same] = await embedder.embed(["ab", `${long}d`, `${long.slice(0, 139)}d`]);
  assert.deepEqual(cut, same);
  const [states] = await encoder.hidden([Int32Array.of(3, 4)]);
  const width = encoder.config.hiddenSize;
  short!.forEach((value, c) => {
    assert.ok(Math.abs(value - (states![c]! + states![width + c]!) / 2) < 1e-12);
  });
  embedder.close();
  encoder.dispose();
});

test("a folder of another architecture is refused by name", async () => {
  const model = join(folder, "other");
  cpSync(join(models, "bert"), model, { recursive: true });
  writeFileSync(join(model, "config.json"), JSON.stringify({ model_type: "llama" }));
  await assert.rejects(Encoder.load(model), {
    code: "GRPO_MODEL",
    message: `${join(model, "config.json")}: model_type is "llama"`,
  });
});
