import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { tableFromIPC } from "apache-arrow";
import { type RolloutRow, readRollouts, writeRollouts } from "../../src/report/rollouts.js";

const row = (sample: number, components: RolloutRow["components"], reward: number): RolloutRow => ({
  group: 3,
  sample,
  prompt: "Hé\n",
  completion: "ü".repeat(sample),
  finish: sample === 0 ? "length" : "stop",
  tokens: Int32Array.from({ length: sample }, (_, i) => 151_000 + i),
  logprobs: new Float32Array(sample).fill(-0.25),
  components,
  reward,
  advantage: new Float64Array(sample).fill(0.1),
});

test("rollouts come back as they were written, nulls and empty completions included, and in the same bytes", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "grpo-rollouts-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "step-000010.arrow");
  const rows = [
    row(0, { right: null, style: 0.5 }, 0.5),
    row(1, { right: 1, style: -0.1 }, 0.9),
    row(2, { right: 0, style: 0 }, 0),
    ...Array.from({ length: 9 }, (_, i) => row(3 + i, { right: null, style: null }, Number.NaN)),
  ];
  writeRollouts(path, rows);
  assert.deepEqual(readRollouts(path), rows);
  const table = tableFromIPC(readFileSync(path));
  assert.deepEqual(
    table.schema.fields.map(({ name, type }) => `${name}: ${type}`),
    [
      "group: Int32",
      "sample: Int32",
      "prompt: Utf8",
      "completion: Utf8",
      "finish: Utf8",
      "tokens: List<Int32>",
      "logprobs: List<Float32>",
      "reward/right: Float64",
      "reward/style: Float64",
      "reward: Float64",
      "advantage: List<Float64>",
    ],
  );
  assert.equal(table.getChild("reward")!.nullCount, 9);
  const bytes = readFileSync(path);
  writeRollouts(path, rows);
  assert.deepEqual(readFileSync(path), bytes);
});

test("a step without completions is an empty file", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "grpo-rollouts-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeRollouts(join(folder, "empty.arrow"), []);
  assert.deepEqual(readRollouts(join(folder, "empty.arrow")), []);
});
