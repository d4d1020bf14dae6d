import assert from "node:assert/strict";
import { test } from "node:test";
import { makeAdvantage } from "../../src/algorithms/advantage/registry.js";
import { QuantileTracker } from "../../src/algorithms/quantile-tracker.js";
import { mvarAdvantage, rangeWeight } from "../../src/algorithms/risk.js";
import { type RiskConfig, riskBundle } from "../../src/algorithms/risk-bundle.js";
import { emptyTally, metricValues } from "../../src/algorithms/tally.js";
import type { RandomWords, Row } from "../../src/algorithms/types.js";
import { type AdvantageConfig, advantageSchema } from "../../src/config/schema/advantage.js";
import { row } from "../golden/adapter.js";
import { randomNumbers } from "../random-rows.js";

const parse = (options: Record<string, unknown> = {}) =>
  advantageSchema.parse({ kind: "risk_mvar", ...options }) as AdvantageConfig & RiskConfig;
const none = { thresholds: null, baseline: { range: 0, tail: 0 } };

/** `prompts` groups of four rows, one action each. */
function randomRows(seed: number, prompts: number): Row[] {
  const random = randomNumbers(seed);
  return Array.from({ length: 4 * prompts }, (_, i) =>
    row({ length: 1, group: Math.floor(i / 4), reward: Math.floor(random() * 3) }),
  );
}

const words =
  (seed: number): RandomWords =>
  (stream, group, index) =>
    randomNumbers(seed + 1000 * stream + 100 * group + index)() * 2 ** 32;

const first = (values: Float64Array[]) => values.map((own) => own[0]!);

test("the worked example of the mixed value at risk comes out", () => {
  const q = { down: 1, up: 4 };
  assert.deepEqual(
    [0, 2, 3, 5].map((R) => rangeWeight(R, q)),
    [-3, -2, -1, 0],
  );
  assert.deepEqual(
    [0, 2, 3, 5].map((R) => mvarAdvantage(R, q, 0.5)),
    [-4.5, -2, -1, 0],
  );
});

test("with thresholds at the ends the advantage is the score less a constant: the mean objective", () => {
  const scores = [0, 1, 4, 2];
  const values = scores.map((R) => mvarAdvantage(R, { down: 0, up: 4 }, 0.5));
  assert.deepEqual(
    values,
    scores.map((R) => R - 4),
  );
});

test("adding a constant to rewards and quantiles leaves advantages alone", () => {
  const rewards = [
    [0, 1, 2],
    [1, 0, 2],
  ];
  const history = { ...none, thresholds: { down: 1, up: 3 } };
  const moved = { ...none, thresholds: { down: 7, up: 9 } };
  assert.deepEqual(
    riskBundle(
      rewards.map((own) => own.map((r) => r + 3)),
      parse(),
      moved,
    ).advantages,
    riskBundle(rewards, parse(), history).advantages,
  );
});

test("the tracker finds the quantiles of a steady stream and rests where the share below equals the level", () => {
  const random = randomNumbers(4);
  const tracker = new QuantileTracker([0.2, 0.5, 0.9], 0.02, [0, 0, 0]);
  for (let step = 0; step < 3000; step++) tracker.update(Array.from({ length: 20 }, random));
  [0.2, 0.5, 0.9].forEach((level, i) => {
    assert.ok(Math.abs(tracker.values![i]! - level) < 0.03);
  });
  const still = new QuantileTracker([0.5], 1, [1.5]);
  still.update([1, 2]);
  assert.deepEqual(still.values, [1.5]);
  still.update([]);
  assert.deepEqual(still.values, [1.5]);
});

test("a step is judged by the quantiles before it, an all-wrong one too; the first by its own", () => {
  const estimator = makeAdvantage(parse({ bundle_size: 2, permute: false }));
  const rows = randomRows(5, 4);
  const wrong = rows.map((r) => ({ ...r, reward: 0 }));
  assert.ok(first(makeAdvantage(parse({ bundle_size: 2, permute: false })).estimate(wrong)).every((A) => A === 0));
  estimator.estimate(rows);
  const after = first(estimator.estimate(wrong));
  assert.ok(after[0]! < 0);
  assert.ok(after.every((A) => A === after[0]));
});

test("permuted samples use each response once, and depend on the random words alone", () => {
  const config = parse({ bundle_size: 3, thresholds: "batch" });
  const rows = randomRows(6, 3).map((r, i) => ({ ...r, reward: 10 ** Math.floor(i / 4) * (1 + (i % 4)) }));
  const estimate = (seed: number) => first(makeAdvantage(config).estimate(rows, undefined, words(seed)));
  assert.deepEqual(estimate(3), estimate(3));
  assert.notDeepEqual(estimate(4), estimate(3));
  assert.throws(() => makeAdvantage(config).estimate(rows), /needs random words/);
  // Each sample holds one response of every prompt: within a prompt the samples' advantages are all of them.
  const sorted = (values: number[]) => [...values].sort((a, b) => a - b);
  assert.deepEqual(sorted(estimate(3).slice(0, 4)), sorted(estimate(3).slice(4, 8)));
});

test("the tracked state holds the quantiles and is the same bits after JSON", () => {
  const make = () =>
    makeAdvantage(parse({ bundle_size: 2, measure: { kind: "released" }, normalize: {}, permute: false }));
  const estimator = make();
  for (const seed of [7, 8, 9]) estimator.estimate(randomRows(seed, 4));
  const state = estimator.stateful![0]!.saveState() as number[];
  assert.equal(state.length, 19);
  const resumed = make();
  resumed.stateful![0]!.loadState(JSON.parse(JSON.stringify(state)));
  assert.deepEqual(resumed.estimate(randomRows(12, 4)), estimator.estimate(randomRows(12, 4)));
  assert.deepEqual(resumed.stateful![0]!.saveState(), estimator.stateful![0]!.saveState());
});

test("a smaller last bundle is judged by its own quantiles and tracks nothing", () => {
  const estimator = makeAdvantage(parse({ bundle_size: 5, permute: false }));
  estimator.estimate(randomRows(10, 3));
  assert.deepEqual(estimator.stateful![0]!.saveState(), null);
});

test("each credit shares a sample's advantage out as it says, and leads that cancel stay bounded", () => {
  const rewards = [
    [1, 0, 0],
    [0, 1, 1.001],
  ];
  const history = { ...none, thresholds: { down: 2, up: 3 } };
  const share = (credit: string, limit: number | null = 5) => {
    const config = parse({ credit, ...(credit === "sum_mean" ? { credit_limit: limit } : {}) });
    const plain = riskBundle(rewards, parse(), history).advantages;
    return riskBundle(rewards, config, history).advantages.map((own, i) => [...own].map((A, j) => A / plain[i]![j]!));
  };
  assert.deepEqual(share("score"), [
    [0.5, 1.5, 1.5],
    [1.5, 0.5, 0.5],
  ]);
  const near = (got: number, want: number) => assert.ok(Math.abs(got - want) < 1e-4, `${got} ${want}`);
  near(share("std")[0]![0]!, Math.sqrt(3));
  for (const shares of share("sum_mean")) for (const own of shares) assert.ok(Math.abs(own) <= 5 + 1e-9);
  assert.ok(share("sum_mean", null)[0]!.some((own) => Math.abs(own) > 100));
});

test("a deviation below the floor divides as the floor", () => {
  const rewards = [[1, 1]];
  const config = parse({ measure: { kind: "released" }, normalize: {}, bundle_size: 1 });
  const { advantages } = riskBundle(rewards, config, { ...none, thresholds: { down: 2, up: 3 } });
  assert.ok(advantages[0]!.every((A) => A < 0 && A > -1e5));
});

test("the record holds thresholds, measures and how many responses learn", () => {
  const tally = emptyTally();
  makeAdvantage(parse({ bundle_size: 2 })).estimate(randomRows(11, 4), tally, words(11));
  const metrics = metricValues(tally);
  for (const name of [
    "q_alpha",
    "q_beta",
    "rvar",
    "cvar",
    "mvar",
    "score",
    "quantile_0.05",
    "nonzero",
    "advantage_max_abs",
  ]) {
    assert.ok(Number.isFinite(metrics[`risk/${name}`]), name);
  }
  assert.ok(metrics["risk/cvar"]! <= metrics["risk/mvar"]! && metrics["risk/mvar"]! <= metrics["risk/rvar"]!);
});
