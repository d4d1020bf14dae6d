import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";
import { explainKey, jsonSchema } from "../../src/config/explain.js";
import { editDistance, nearest } from "../../src/config/nearest.js";
import { configSchema } from "../../src/config/schema.js";
import { fieldPaths, layersOf, schemasAt } from "../../src/config/walk.js";
import { GrpoError } from "../../src/errors.js";

test("every key of the schema says why it is there or why its default is what it is", () => {
  const silent = fieldPaths(configSchema)
    .filter((path) => !["kind", "rope_type"].includes(path.at(-1)!))
    .filter((path) =>
      schemasAt(configSchema, path)
        .flatMap(layersOf)
        .every((schema) => z.globalRegistry.get(schema)?.description === undefined),
    )
    .map((path) => path.join("."));
  assert.deepEqual(silent, []);
});

test("explain gives type, default and reason", () => {
  assert.equal(
    explainKey("rollout.group_size"),
    "rollout.group_size: whole number\n  default: 8\n" +
      "  Completions per prompt. 8 gives a usable baseline at half the cost of the papers' 16 to 64.",
  );
  assert.equal(
    explainKey("optimizer.max_grad_norm"),
    "optimizer.max_grad_norm: number | null\n  default: 1\n" +
      "  Gradients are scaled down to this global norm, as in TRL and verl; null is off.",
  );
  assert.match(
    explainKey("rewards"),
    /^rewards: list of mapping\n[\s\S]*kind: "exact" {2}1 where the completion equals/,
  );
  for (const key of ["rewards.when", "rewards[].when"]) {
    assert.match(explainKey(key), /^rewards\.0\.when: text\n {2}Condition on the sample/);
  }
  assert.match(explainKey("stages.0.train.steps"), /^stages\.0\.train\.steps: whole number\n/);
});

test("explaining a key that is not there names the nearest", () => {
  const unknown = (key: string, fix: string) =>
    assert.throws(
      () => explainKey(key),
      new GrpoError("GRPO_KEY", `no configuration key is called "${key}"`, { exitCode: 2, fix }),
    );
  unknown("rollout.grop_size", 'did you mean "group_size"?');
  unknown("group_size", 'did you mean "rollout.group_size"?');
});

test("the JSON Schema knows every section and refuses others", () => {
  const schema = jsonSchema() as {
    properties: Record<string, unknown>;
    additionalProperties: boolean;
    required?: string[];
  };
  assert.equal(schema.additionalProperties, false);
  assert.equal(schema.required, undefined);
  assert.deepEqual(Object.keys(schema.properties), Object.keys(configSchema.shape));
  assert(!JSON.stringify(schema).includes('"path":true'));
});

test("nearest counts a swap of neighbours as one edit and keeps within a third of the word", () => {
  assert.equal(editDistance("tempersture", "temperature"), 1);
  assert.equal(editDistance("trian", "train"), 1);
  assert.equal(editDistance("", "abc"), 3);
  assert.equal(nearest("stpes", ["stop", "steps"]), "steps");
  assert.equal(nearest("xyz", ["abc"]), undefined);
});
