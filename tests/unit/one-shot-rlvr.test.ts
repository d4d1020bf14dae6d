import assert from "node:assert/strict";
import { test } from "node:test";
import { formatAccuracyHistory, readAccuracyHistory, withHistory } from "../../src/data/accuracy-history.js";
import { createSampler } from "../../src/data/sampler.js";
import { historicalVariance, learningImpact, ranked, selectRecords } from "../../src/data/select.js";
import { GrpoError } from "../../src/errors.js";
import type { Task } from "../../src/tree/episode.js";
import { load, mistakes, writeFiles } from "./config-files.js";

const history = new Map([
  ["30", [1, 1, 1]],
  ["7", [0, 0.5, 1]],
  ["12", [0, 1]],
]);

test("examples rank by the population deviation of their history; equal ones keep their order", () => {
  const scores = historicalVariance(history);
  assert.ok(Math.abs(scores.get("7")! - Math.sqrt(1 / 6)) < 1e-15);
  assert.deepEqual([scores.get("12"), scores.get("30")], [0.5, 0]);
  assert.deepEqual(ranked(scores), ["12", "7", "30"]);
  assert.deepEqual(ranked(new Map([...history.keys()].map((id) => [id, 1]))), ["30", "7", "12"]);
});

test("the learning impact follows the average curve over the visits all have; 0 where all is solved", () => {
  const impact = learningImpact(
    new Map([
      ["a", [0, 1]],
      ["b", [1, 1, 0]],
    ]),
  );
  assert.deepEqual(
    [...impact],
    [
      ["a", 0],
      ["b", 0],
    ],
  );
  assert.deepEqual([...learningImpact(new Map([["a", [1, 1]]]))], [["a", 0]]);
});

test("a history survives its file with its order, integer-like ids included", () => {
  const { "h.json": path } = writeFiles({ "h.json": formatAccuracyHistory(history) });
  assert.deepEqual([...readAccuracyHistory(path)], [...history]);
});

test("a file that is no history is told", () => {
  for (const text of ["", "[1]", '{"a": 1}', "{}", '{"a": ["x"]}']) {
    const { "bad.json": path } = writeFiles({ "bad.json": text });
    assert.throws(
      () => readAccuracyHistory(path),
      (error: GrpoError) => error instanceof GrpoError && error.fix!.startsWith("give a JSON object"),
    );
  }
});

test("rows are selected by rank, by row number or by a column of ids", () => {
  const { "h.json": path } = writeFiles({ "h.json": formatAccuracyHistory(history) });
  const method = "historical_variance" as const;
  const records = [7, 12, 30].map((index) => ({ index }));
  const byColumn = selectRecords(records, { method, history: path, id: "index", ranks: [1, 3] }, 0);
  assert.deepEqual(byColumn, [{ index: 12 }, { index: 30 }]);
  const rows = Array.from({ length: 31 }, (_, row) => ({ row }));
  assert.deepEqual(selectRecords(rows, { method, history: path, ranks: [2] }, 0), [{ row: 7 }]);
  assert.throws(() => selectRecords(rows, { method, history: path, ranks: [4] }, 0), /there is no rank 4 among 3/);
  assert.throws(() => selectRecords(records, { method, history: path, ranks: [1] }, 0), /no row has the id "12"/);
});

test("a random selection is fixed by the seed and repeats no row", () => {
  const records = Array.from({ length: 20 }, (_, row) => ({ row }));
  const ranks = [1, 2, 3, 4, 5];
  const draw = (seed: number) => selectRecords(records, { method: "random", ranks }, seed);
  assert.deepEqual(draw(1), draw(1));
  assert.notDeepEqual(draw(1), draw(2));
  assert.equal(new Set(draw(3)).size, 5);
});

test("a sampler with history keeps the mean reward of every visit, through saving and loading", () => {
  const tasks = [0, 1].map((index): Task => ({ index, prompt: new Int32Array(1), text: "", record: {} }));
  const make = () => withHistory(createSampler(tasks, "sequential", 0));
  const sampler = make();
  sampler.next(3);
  sampler.observe([
    { task: tasks[1]!, rewards: [1, 0, Number.NaN, 0.5] },
    { task: tasks[0]!, rewards: [1, 1] },
    { task: tasks[0]!, rewards: [Number.NaN] },
  ]);
  sampler.observe([{ task: tasks[1]!, rewards: [0, 1] }]);
  const want = [
    ["1", [0.5, 0.5]],
    ["0", [1]],
  ];
  assert.deepEqual([...sampler.history], want);
  const resumed = make();
  resumed.loadState(JSON.parse(JSON.stringify(sampler.saveState())));
  assert.deepEqual([...resumed.history], want);
  assert.equal(resumed.next(1)[0]!.task.index, 1);
});

test("one row fills a step with copies, each a group of its own", () => {
  const task: Task = { index: 0, prompt: new Int32Array(1), text: "", record: {} };
  const drawn = createSampler([task], "shuffle", 0).next(4);
  assert.deepEqual(
    drawn.map(({ slotIndex }) => slotIndex),
    [0, 1, 2, 3],
  );
  assert.ok(drawn.every((one) => one.task === task));
});

test("the configuration takes a selection, and says what it lacks", () => {
  const text = (select: string) => `data: {train: {path: rows.jsonl}, select: ${select}}
rewards: [{name: right, kind: exact, answer: "{answer}"}]
model: {path: m}
`;
  const { config } = load(text("{method: random, ranks: [2, 5]}"));
  assert.deepEqual(config.stages[0]!.data.select, { method: "random", ranks: [2, 5] });
  assert.deepEqual(mistakes(text("{ranks: [2]}")), [
    "run.yaml:1:35: data.select.history: missing; these ranks come from an earlier run",
  ]);
});
