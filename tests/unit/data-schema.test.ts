import assert from "node:assert/strict";
import { test } from "node:test";
import { dataSchema, dataSourceSchema } from "../../src/config/schema/data.js";
import { builtinTasks } from "../../src/data/builtin/registry.js";

function complaints(config: object): string[] {
  const result = dataSchema.safeParse(config);
  return (result.error?.issues ?? []).map((issue) => `${issue.path.join(".")}: ${issue.message}`);
}

test("the schema names exactly the built-in tasks there are", () => {
  assert.deepEqual(dataSourceSchema.shape.builtin.unwrap().options, Object.keys(builtinTasks));
});

test("a source is a path or a built-in task, and its options belong to it", () => {
  assert.deepEqual(complaints({ train: {} }), ["train: give `path` (a file or folder) or `builtin` (a built-in task)"]);
  assert.deepEqual(complaints({ train: { path: "a", builtin: "addition" } }), [
    "train.builtin: `path` is given as well; keep one of the two",
  ]);
  assert.deepEqual(complaints({ train: { path: "a", max: 9 } }), [
    "train.max: has no effect on a file: it is an option of a built-in task",
  ]);
  assert.deepEqual(complaints({ train: { builtin: "addition", max: 9, max_second: 3, split: "test", seed: 1 } }), []);
});

test("a prompt is a template or a column, and a system message needs a chat", () => {
  const train = { path: "a" };
  const both = { template: "{q}", column: "q" };
  assert.deepEqual(complaints({ train, prompt: both }), [
    "prompt.column: `template` is given as well; keep one of the two",
  ]);
  for (const prompt of [
    { template: "{q}", system: "s" },
    { column: "q", chat: false, system: "s" },
  ]) {
    assert.deepEqual(complaints({ train, prompt }), ["prompt.system: has no effect on plain text; set chat: true"]);
  }
  for (const prompt of [{ template: "{q}", system: "s", chat: true }, { column: "q", system: "s" }, {}]) {
    assert.deepEqual(complaints({ train, prompt }), []);
  }
});
