import assert from "node:assert/strict";
import { relative } from "node:path";
import { test } from "node:test";
import { grpo, metricsOf, program, scratch } from "../program.js";
import { tinyArguments } from "./tiny-run.js";

const folder = scratch();

test("a run ends with its first and last evaluation, where things are, and commands that work as printed", () => {
  const args = tinyArguments(folder, "train.steps=2", 'rewards=[{name: accuracy, kind: exact, answer: "{answer}"}]');
  const { code, out, err } = grpo(folder, args);
  assert.deepEqual([code, err], [0, ""]);
  const closing = out.slice(out.indexOf("before")).split("\n");
  const [first, last] = metricsOf(`${folder}/runs/tiny`).filter((row) => "eval/accuracy" in row);
  const line = (row: Record<string, unknown>) => {
    const [value, low, high] = ["", "_low", "_high"].map((end) =>
      (100 * Number(row[`eval/accuracy${end}`])).toFixed(1),
    );
    return `accuracy ${value} % (95 % interval ${low} to ${high}), step ${row.step}`;
  };
  assert.deepEqual(closing.slice(0, 4), [
    `before  ${line(first!)}`,
    `after   ${line(last!)}`,
    "model   runs/tiny/checkpoints/step-000002",
    "report  runs/tiny/report.html",
  ]);
  const grpoHere = `node ${relative(folder, program)}`;
  const commands = closing.filter((text) => text.includes(grpoHere)).map((text) => text.trim().replace(/ {2,}.*/, ""));
  assert.equal(commands.length, 3);
  for (const command of commands) {
    const words = [...command.slice(grpoHere.length).matchAll(/"([^"]*)"|(\S+)/g)].map(
      ([, quoted, word]) => quoted ?? word!,
    );
    const done = grpo(folder, words);
    assert.deepEqual([done.code, done.err], [0, ""], command);
  }
});

test("a run without an evaluation ends with where things are", () => {
  const { out } = grpo(folder, tinyArguments(folder, "run.name=blind", "train.steps=1", "eval=null"));
  assert.doesNotMatch(out, /^(before|after|result)/m);
  assert.match(out, /^model {3}runs\/blind\/checkpoints\/step-000001$/m);
});
