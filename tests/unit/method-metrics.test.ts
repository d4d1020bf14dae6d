import assert from "node:assert/strict";
import { test } from "node:test";
import { makeAdvantage } from "../../src/algorithms/advantage/registry.js";
import { makeShapers } from "../../src/algorithms/shape/registry.js";
import {
  addMax,
  addMean,
  addMin,
  addValue,
  emptyTally,
  metricValues,
  UpdateMetrics,
} from "../../src/algorithms/tally.js";
import type { Row } from "../../src/algorithms/types.js";
import { advantageSchema } from "../../src/config/schema/advantage.js";
import { shapeSchema } from "../../src/config/schema/shape.js";
import { row } from "../golden/adapter.js";

/** Metrics of the transforms of rewards, in order, over rows. */
function shaped(items: object[], rows: Row[]): Record<string, number> {
  const log = emptyTally();
  const words = (_: number, i: number, j: number) => Math.imul(i * 31 + j + 1, 2654435761) >>> 0;
  for (const shaper of makeShapers(shapeSchema.parse(items))) shaper.shape(rows, log, words);
  return metricValues(log);
}

/** Metrics of the advantages of rows. */
function estimated(config: object, rows: Row[], weights: Record<string, number> = {}): Record<string, number> {
  const log = emptyTally();
  makeAdvantage(advantageSchema.parse(config), { weights }).estimate(rows, log);
  return metricValues(log);
}

const near = (got: number | undefined, want: number) =>
  assert.ok(Math.abs((got ?? Number.NaN) - want) < 1e-12, `${got}, not ${want}`);

test("values are recorded by their quantiles, and means over updates leave extremes extreme", () => {
  const log = emptyTally();
  for (const value of [4, 0, 1, 3, 2]) addValue(log, "x", value);
  assert.deepEqual(metricValues(log), { "x/p05": 0.2, "x/p25": 1, "x/p50": 2, "x/p75": 3, "x/p95": 3.8 });

  const metrics = new UpdateMetrics();
  [
    { low: 3, high: 5, mean: 1 },
    { low: 1, high: 9, mean: 4 },
  ].forEach(({ low, high, mean }, i) => {
    const update = emptyTally();
    addMin(update, "low", low);
    addMax(update, "high", high);
    addMean(update, "mean", mean, 1);
    if (i === 1) addMean(update, "once", 7, 1);
    metrics.add(update, { grad_norm: 1 + i });
  });
  assert.deepEqual(metrics.values(), { low: 1, high: 9, mean: 2.5, once: 7, grad_norm: 1.5 });
});

test("different right responses are counted over the run, a repeated one once, also after a resume", () => {
  const rows = (texts: string[], task: string) =>
    texts.map((text, i) =>
      row({ length: 1, old: Float64Array.of(-i), reward: text === "wrong" ? 0 : 1, text, record: { task } }),
    );
  const make = () => makeShapers(shapeSchema.parse([{ kind: "unlikeliness" }]))[0]!;
  const count = (shaper: ReturnType<typeof make>, of: Row[]) => {
    const log = emptyTally();
    shaper.shape(of, log);
    return metricValues(log)["unlikeliness/solutions"];
  };
  const shaper = make();
  assert.equal(count(shaper, rows(["a", "b", "a", "wrong"], "p")), 2);
  assert.equal(count(shaper, rows(["a", "c"], "p")), 3);
  const stateful = shaper as unknown as { saveState(): unknown };
  const resumed = make();
  (resumed as unknown as { loadState(state: unknown): void }).loadState(
    JSON.parse(JSON.stringify(stateful.saveState())),
  );
  assert.equal(count(resumed, rows(["a", "c"], "p")), 3);
  assert.equal(count(resumed, rows(["a"], "another task")), 4);
});

test("entropies are recorded relative to ln G, and together with the rewards of their groups", () => {
  const answers = [
    ["1", "1", "1", "1"],
    ["1", "1", "2", "2"],
    ["1", "2", "3", null],
  ];
  const rows = answers.flatMap((own, group) =>
    own.map((answer) => row({ length: 1, group, answer, rollout: Float64Array.of(-1), reward: [1, 0.5, 0][group]! })),
  );
  // biome-ignore lint/suspicious/noThenProperty: a key of the configuration.
  const metrics = estimated({ then: [{ kind: "semantic_entropy" }] }, rows);
  near(metrics["semantic_entropy/relative/p50"], 0.5);
  near(metrics["semantic_entropy/relative/p95"], 0.95);
  near(metrics["semantic_entropy/reward_correlation"], -1);
});

test("bundle scores are recorded by their quantiles", () => {
  const rows = [0, 1, 2, 3, 4].map((reward) => row({ length: 1, reward }));
  const metrics = estimated({ kind: "risk_mvar", bundle_size: 1, permute: false }, rows);
  assert.deepEqual([metrics["risk/score_spread/p25"], metrics["risk/score_spread/p75"]], [1, 3]);
});

test("the share of right responses under length pressure is told", () => {
  const rows = [1, 1, 1, 0, 1, 0].map((reward, i) => row({ length: 2, group: Math.floor(i / 2), reward }));
  const metrics = shaped([{ kind: "lambda_length", lambda: 0.3 }], rows);
  assert.equal(metrics["lambda/efficiency_groups"], 1);
  assert.equal(metrics["lambda/penalised"], 2 / 4);
});

test("groups with right and wrong responses and log-probs under the frozen model are told", () => {
  const rows = [1, 1, 1, 0, 0, 0].map((reward, i) =>
    row({
      length: 1,
      group: Math.floor(i / 2),
      reward,
      hidden: Float64Array.of(i, 1, i * i),
      hiddenLogprob: i === 5 ? Number.NaN : -i,
    }),
  );
  const metrics = shaped([{ kind: "elliptical", dim: 2 }], rows);
  const shares = ["none", "some", "all"].map((kind) => metrics[`elliptical/${kind}_correct`]);
  assert.deepEqual(shares, [1 / 3, 1 / 3, 1 / 3]);
  assert.equal(metrics["elliptical/base_logprob"], -2);
});

test("rewards by position of a list, its lines, and what lies beyond the last are told", () => {
  const list = (values: number[], ids: number[], terminated: boolean) =>
    row({
      length: ids.length,
      spans: { rank: Int32Array.from(ids) },
      components: { hits: { unit: "span", values: Float64Array.from(values) } },
      terminated,
    });
  const rows = [list([1, 0], [0, 0, 1], true), list([0, 0], [0, 1, 2, 2], true), list([0, 1], [0, 1], false)];
  // biome-ignore lint/suspicious/noThenProperty: a key of the configuration.
  const config = { kind: "span_group", positions: 2, then: [{ kind: "list_length", positions: 2 }] };
  const metrics = estimated(config, rows, { hits: 1 });
  near(metrics["rank/reward_1"], 1 / 3);
  near(metrics["rank/reward_std_2"], Math.sqrt(1 / 3));
  near(metrics["rank/items"], (2 + 3 + 2) / 3);
  near(metrics["rank/exact_length"], 1 / 3);
  near(metrics["rank/overflow_tokens"], 2 / 3);
});
