import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { grpo, scratch } from "../program.js";
import { tinyArguments } from "./tiny-run.js";

const folder = scratch();
const model = "runs/tiny/checkpoints/step-000001";
const evaluation = ["eval", "--model", model, "--benchmark", "sums.jsonl", "--samples", "6"];

test("grpo eval --coreset chooses completions that differ, scores the choice and says which they are", () => {
  grpo(folder, tinyArguments(folder, "train.steps=1", "eval=null"));
  const rows = ["1+1=", "2+3=", "4+4="].map((prompt) => JSON.stringify({ prompt, answer: "2" }));
  writeFileSync(join(folder, "sums.jsonl"), rows.join("\n"));
  const args = [...evaluation, "--coreset", "3", "--coreset-dim", "8", "--out", "out", "--max-completion-tokens", "2"];
  const { code, out, err } = grpo(folder, args);
  assert.deepEqual([code, err], [0, ""]);
  assert.match(out, /^ {2}coreset@3 \d+\.\d %.*; 3 at random \d+\.\d %$/m);
  const kept = readFileSync(join(folder, "out/sums.jsonl.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { prompt: string; completion: string; chosen: number | null });
  for (const prompt of new Set(kept.map((row) => row.prompt))) {
    const own = kept.filter((row) => row.prompt === prompt);
    assert.deepEqual(
      own
        .map(({ chosen }) => chosen)
        .filter((place) => place !== null)
        .sort(),
      [1, 2, 3],
    );
    // A completion is chosen a second time only when no other is left.
    const texts = own.filter(({ chosen }) => chosen !== null).map(({ completion }) => completion);
    const distinct = new Set(own.map(({ completion }) => completion)).size;
    assert.ok(new Set(texts).size >= Math.min(2, distinct));
  }
});

test("grpo eval says where --coreset has nothing to choose from", () => {
  assert.deepEqual(grpo(folder, [...evaluation, "--coreset", "6"]), {
    code: 2,
    out: "",
    err: "--coreset 6: chooses among --samples 6\n  give more samples than that\n",
  });
  assert.equal(grpo(folder, [...evaluation, "--coreset-dim", "8"]).code, 2);
});
