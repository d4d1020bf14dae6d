import assert from "node:assert/strict";
import { test } from "node:test";
import { makeAdvantage } from "../../src/algorithms/advantage/registry.js";
import { prefixTree } from "../../src/algorithms/prefix-tree.js";
import { emptyTally, metricValues } from "../../src/algorithms/tally.js";
import type { Row } from "../../src/algorithms/types.js";
import { advantageSchema } from "../../src/config/schema/advantage.js";
import { row } from "../golden/adapter.js";
import { randomNumbers } from "../random-rows.js";

type Options = Record<string, unknown>;

const advantages = (rows: Row[], then: Options[], options: Options = {}) =>
  makeAdvantage(advantageSchema.parse({ ...options, then })).estimate(rows);

const response = (tokens: number[], reward: number, fields: Partial<Row> = {}) =>
  row({ length: tokens.length, tokens: Int32Array.from(tokens), reward, ...fields });

/** Responses over a small alphabet, so that prefixes are shared; `9` ends each. */
function randomRows(seed: number): Row[] {
  const random = randomNumbers(seed);
  return Array.from({ length: 12 }, (_, i) => {
    const tokens = Array.from({ length: Math.floor(random() * 6) }, () => Math.floor(random() * 2));
    return response([...tokens, 9], random(), { group: i % 2 });
  });
}

const tree = { kind: "prefix_tree" };

test("means and counts are those over the sequences that share the prefix", () => {
  const sequences = [Int32Array.of(1, 2), Int32Array.of(1, 3, 4), Int32Array.of(1, 2)];
  const { means, counts, nodes } = prefixTree(sequences, [1, 0, 2]);
  assert.deepEqual(means[0], Float64Array.of(1, 1, 1.5));
  assert.deepEqual(means[1], Float64Array.of(1, 1, 0, 0));
  assert.deepEqual(counts[1], Int32Array.of(3, 3, 1, 1));
  assert.equal(nodes, 5);
});

test("with coefficient 0, and for groups of equal rewards or a single row, the advantage is GRPO's", () => {
  const rows = randomRows(1);
  assert.deepEqual(advantages(rows, [{ ...tree, coefficient: 0 }]), advantages(rows, []));
  const equal = rows.map((r) => ({ ...r, reward: 0.1 }));
  for (const values of advantages(equal, [tree])) assert.ok(values.every((value) => value === 0));
  assert.deepEqual([...advantages([response([1, 9], 1)], [tree])[0]!], [0, 0]);
});

test("the differences of a response add up to its value less the group's mean, whatever the order of responses", () => {
  const rows = randomRows(2);
  const forms = [{ scale: "none" }] as const;
  const plain = advantages(rows, [], ...forms);
  const shifted = advantages(rows, [{ ...tree, scale: "none" }], ...forms);
  const twin = (i: number) =>
    rows.filter((r) => r.group === rows[i]!.group && r.tokens.join() === rows[i]!.tokens.join());
  rows.forEach((_, i) => {
    if (twin(i).length > 1) return;
    const total = shifted[i]!.reduce((sum, value, t) => sum + value - plain[i]![t]!, 0);
    assert.ok(Math.abs(total - plain[i]![0]!) < 1e-12);
  });
  const reversed = advantages([...rows].reverse(), [{ ...tree, scale: "none" }], ...forms).reverse();
  reversed.forEach((values, i) => {
    values.forEach((value, t) => {
      assert.ok(Math.abs(value - shifted[i]![t]!) < 1e-12);
    });
  });
});

test("observations are matched but earn nothing, and later actions are credited from the state behind them", () => {
  const mask = Uint8Array.of(1, 0, 1, 1);
  const rows = [
    response([1, 7, 2, 9], 1, { mask }),
    response([1, 7, 3, 9], 0, { mask }),
    response([1, 8, 2, 9], 0, { mask }),
  ];
  const plain = advantages(rows, [], { scale: "none" });
  const shifted = advantages(rows, [{ ...tree, scale: "none" }], { scale: "none" });
  const added = shifted.map((values, i) =>
    [...values].map((value, t) => Math.round((value - plain[i]![t]!) * 1e9) / 1e9),
  );
  assert.deepEqual(added, [
    [0, 0, 0.5, 0],
    [0, 0, -0.5, 0],
    [0, 0, 0, 0],
  ]);
});

test("it adds to any estimator, can divide by its own deviation, and reports where responses branch", () => {
  const rows = [response([1, 2, 9], 1), response([1, 3, 9], 0)];
  const tally = emptyTally();
  const then = [{ ...tree, scale: "difference", epsilon: 0 }];
  const config = advantageSchema.parse({ kind: "leave_one_out", then });
  const [first] = makeAdvantage(config).estimate(rows, tally);
  // Differences 0, 0.5, 0 and 0, -0.5, 0: mean 0, sample deviation sqrt(0.5 / 5).
  assert.ok(Math.abs(first![1]! - (1 + 0.5 / Math.sqrt(0.1))) < 1e-12);
  assert.equal(first![0], 1);
  const metrics = metricValues(tally);
  assert.equal(metrics["tempo/branches"], 1);
  assert.equal(metrics["tempo/last_branch"], 2);
  assert.equal(metrics["tempo/nonzero"], 1 / 3);
  assert.equal(metrics["tempo/nodes"], 6);
});
