import assert from "node:assert/strict";
import { test } from "node:test";
import { makeAdvantage } from "../../src/algorithms/advantage/registry.js";
import { clusterAnswers, semanticEntropy } from "../../src/algorithms/advantage/semantic-entropy.js";
import { DifficultyController } from "../../src/algorithms/difficulty.js";
import { makeShapers } from "../../src/algorithms/shape/registry.js";
import { newlineItems, rankSpans } from "../../src/algorithms/spans/newline.js";
import { emptyTally, metricValues } from "../../src/algorithms/tally.js";
import type { Row } from "../../src/algorithms/types.js";
import { advantageSchema } from "../../src/config/schema/advantage.js";
import { shapeSchema } from "../../src/config/schema/shape.js";
import { row } from "../golden/adapter.js";
import { randomBatch } from "../random-rows.js";

function shaped(config: Record<string, unknown>, rows: Row[]): number[] {
  for (const shaper of makeShapers(shapeSchema.parse([config]))) shaper.shape(rows);
  return rows.map(({ reward }) => reward);
}

const rewards = (rows: Row[]) => rows.map(({ reward }) => reward);

test("at their neutral settings the methods leave rewards and advantages to plain GRPO", () => {
  const { rows } = randomBatch(21);
  assert.deepEqual(shaped({ kind: "unlikeliness", beta: 0 }, randomBatch(21).rows), rewards(rows));
  assert.deepEqual(shaped({ kind: "lambda_length", lambda: 0 }, randomBatch(21).rows), rewards(rows));
  assert.deepEqual(shaped({ kind: "lambda_length", alpha: 0 }, randomBatch(21).rows), rewards(rows));
  const answered = rows.map((one, i) => ({ ...one, answer: i % 3 === 0 ? null : String(i % 2) }));
  const plain = makeAdvantage(advantageSchema.parse({})).estimate(answered);
  // biome-ignore lint/suspicious/noThenProperty: a key of the configuration.
  const neutral = advantageSchema.parse({ then: [{ kind: "semantic_entropy", alpha: 0 }] });
  assert.deepEqual(makeAdvantage(neutral).estimate(answered), plain);
});

test("the rarer of two right samples earns more, a wrong one nothing, and the log says so", () => {
  const sample = (logp: number, reward: number) => row({ length: 1, old: Float64Array.of(logp), reward });
  const rows = [sample(-1, 1), sample(-3, 1), sample(-2, 0), sample(-4, 1)];
  const log = emptyTally();
  makeShapers(shapeSchema.parse([{ kind: "unlikeliness" }]))[0]!.shape(rows, log);
  assert.deepEqual(rewards(rows), [1 - (0.25 * 3) / 4, 1 - 0.25 / 4, 0, 1]);
  assert.equal(metricValues(log)["unlikeliness/place_rewarded"], (0 + 2 + 3) / 3);
});

test("uplift counts the right samples that the updates made more probable, by quarter of their places", () => {
  const right = [1, 1, 0, 1];
  const before = [-1, -3, -2, -4];
  const after = [-2, -2, -1, -3];
  const rows = right.map((reward, i) => row({ length: 1, reward, old: Float64Array.of(before[i]!) }));
  const shaper = makeShapers(shapeSchema.parse([{ kind: "unlikeliness", uplift: true }]))[0]!;
  assert.equal(shaper.needs.updated, true);
  shaper.shape(rows);
  const log = emptyTally();
  rows.forEach((one, i) => {
    one.updated = Float64Array.of(after[i]!);
  });
  shaper.review!(rows, log);
  const rates = { "unlikeliness/uplift_1": 0, "unlikeliness/uplift_3": 1, "unlikeliness/uplift_4": 1 };
  assert.deepEqual(metricValues(log), rates);
  assert.equal(makeShapers(shapeSchema.parse([{ kind: "unlikeliness" }]))[0]!.review, undefined);
});

test("lengths scaled by a factor give the same rewards; a truncated or wrong response is never changed", () => {
  const group = (scale: number) =>
    [100, 200, 300, 50, 400].map((length, i) =>
      row({ length: length * scale, reward: i === 3 ? 0 : 1, terminated: i !== 4 }),
    );
  const once = shaped({ kind: "lambda_length", lambda: 1 }, group(1));
  const z = 100 / Math.sqrt(20000 / 3);
  [z, 0, -z].forEach((score, i) => {
    assert.ok(Math.abs(once[i]! - (1 - 0.2 / (1 + Math.exp(score)))) < 1e-12);
  });
  assert.deepEqual(once.slice(3), [0, 1]);
  shaped({ kind: "lambda_length", lambda: 1 }, group(3)).forEach((reward, i) => {
    assert.ok(Math.abs(reward - once[i]!) < 1e-12);
  });
});

test("semantic entropy does not see a constant added to all log-probs, and is 0 where all agree", () => {
  const clusters = clusterAnswers(["a", " a", "b", null]);
  assert.deepEqual(clusters, [0, 0, 1, 2]);
  const first = semanticEntropy(clusters, [-1, -2, -3, -0.5]);
  const second = semanticEntropy(clusters, [-701, -702, -703, -700.5]);
  for (const name of ["rao", "mc", "discrete"] as const) assert.ok(Math.abs(first[name] - second[name]) < 1e-12);
  assert.equal(semanticEntropy([0, 0, 0], [-1, -2, -3]).rao, 0);
  assert.ok(Math.abs(semanticEntropy([0, 1, 2, 3], [-1, -1, -1, -1]).rao - Math.log(4)) < 1e-12);
  assert.throws(() => semanticEntropy([0, 1], [Number.NEGATIVE_INFINITY, -1]), /finite log-probs/);
});

test("the difficulty controller goes on where it was saved", () => {
  const options = { window: 2, deltaMax: 1 };
  const first = new DifficultyController(options);
  for (const rewardsOfGroup of [
    [1, 0],
    [1, 1],
    [0, 0],
  ])
    first.judge(rewardsOfGroup);
  const second = new DifficultyController(options);
  second.loadState(JSON.parse(JSON.stringify(first.saveState())));
  assert.deepEqual(second.judge([1, 0]), first.judge([1, 0]));
});

test("ranks are compared position by position, tokens past the list only shaped", () => {
  const list = (hits: number[], ids: number[], terminated = true) =>
    row({
      length: ids.length,
      components: { hits: { unit: "span", values: Float64Array.from(hits) } },
      spans: { rank: Int32Array.from(ids) },
      terminated,
    });
  const rows = [list([1, 0], [0, 0, 1, 1]), list([0, 0], [0, 1, 2, 2], false), list([0, 0], [0, 0])];
  const config = advantageSchema.parse({
    kind: "span_group",
    positions: 2,
    scale: "none",
    // biome-ignore lint/suspicious/noThenProperty: a key of the configuration.
    then: [{ kind: "list_length", positions: 2 }],
  });
  const [first, second, third] = makeAdvantage(config, { weights: { hits: 1 } }).estimate(rows);
  const near = (got: Float64Array | undefined, want: number[]) =>
    want.forEach((value, t) => {
      assert.ok(Math.abs(got![t]! - value) < 1e-12, `${got} for ${want}`);
    });
  near(first, [2 / 3, 2 / 3, 0, 0.1]);
  near(second, [-1 / 3, 0, -0.1, -0.1]);
  near(third, [-1 / 3, -0.1]);
});

test("a token with newlines belongs to the item before them; lines past the limit share one span", () => {
  const items = newlineItems(["Foo", " (1999)\n", "Bar\r\n", "Baz", "\n\n", "end"]);
  assert.deepEqual([...items], [0, 0, 1, 2, 2, 4]);
  assert.deepEqual([...rankSpans(items, 2)], [0, 0, 1, 2, 2, 2]);
});
