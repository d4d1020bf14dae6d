import assert from "node:assert/strict";
import { test } from "node:test";
import { groupEstimator } from "../../src/algorithms/advantage/group.js";
import { makeAdvantage } from "../../src/algorithms/advantage/registry.js";
import {
  type StratifiedConfig,
  stratifiedAdvantages,
  stratumDecomposition,
} from "../../src/algorithms/advantage/stratified.js";
import { stratumKey } from "../../src/algorithms/stratum-key.js";
import { emptyTally, metricValues } from "../../src/algorithms/tally.js";
import type { Row } from "../../src/algorithms/types.js";
import { advantageSchema } from "../../src/config/schema/advantage.js";
import { row } from "../golden/adapter.js";
import { randomNumbers } from "../random-rows.js";
import { least, mistakes } from "./config-files.js";

const parse = (options: Record<string, unknown> = {}) =>
  advantageSchema.parse({ kind: "stratified", ...options }) as StratifiedConfig & { kind: "stratified" };

const searches = (count: number, reward: number, group = 0): Row =>
  row({ length: 2, group, reward, text: "<search>q</search>".repeat(count) });

function randomRows(seed: number): Row[] {
  const random = randomNumbers(seed);
  return Array.from({ length: 24 }, (_, i) => searches(Math.floor(random() * 3), random(), i % 2));
}

const grpo = (rows: Row[]) =>
  groupEstimator({
    scale: "group",
    std: "population",
    epsilon: 1e-6,
    variance_floor: 0,
    single: "zero",
    aggregation: "sum_then_normalize",
    weights: {},
  }).estimate(rows);

function assertNear(got: ArrayLike<number>, want: ArrayLike<number>, tolerance = 1e-12): void {
  assert.equal(got.length, want.length);
  for (let i = 0; i < want.length; i++)
    assert.ok(Math.abs(got[i]! - want[i]!) <= tolerance, `${i}: ${got[i]} ${want[i]}`);
}

test("with alpha 0, and with one stratum for every alpha, the advantages are GRPO's", () => {
  const rows = randomRows(1);
  makeAdvantage(parse({ alpha: 0 }) as never)
    .estimate(rows)
    .forEach((values, i) => {
      assertNear(values, grpo(rows)[i]!);
    });
  const alike = rows.map((r) => ({ ...r, text: "" }));
  for (const alpha of [0.3, 1]) {
    const { blended, group } = stratifiedAdvantages(alike, parse({ alpha }));
    assertNear(blended, group);
  }
});

test("moving all rewards of a stratum moves the group's part alone, and scaling changes nothing within", () => {
  const rows = randomRows(2);
  const before = stratifiedAdvantages(rows, parse({ epsilon: 0 }));
  const moved = rows.map((r) => ({ ...r, reward: 3 * r.reward + Number(stratumKey(r, parse())) }));
  const after = stratifiedAdvantages(moved, parse({ epsilon: 0 }));
  assertNear(after.stratum, before.stratum, 1e-9);
  assert.ok(after.group.some((A, i) => Math.abs(A - before.group[i]!) > 0.1));
});

test("the worked example comes out, without epsilon too; lone rows and equal rewards keep the group's share", () => {
  const rewards = [1, 0, 0, 0, 1, 1, 0, 1];
  const rows = rewards.map((reward, i) => searches(i < 4 ? 0 : 2, reward));
  const { blended } = stratifiedAdvantages(rows, parse({ epsilon: 0 }));
  assertNear(blended, [1.586, -0.662, -0.662, -0.662, 0.662, 0.662, -1.586, 0.662], 5e-4);
  const lone = stratifiedAdvantages([searches(0, 1), searches(1, 0), searches(1, 0)], parse({ epsilon: 0 }));
  assertNear(lone.stratum, [0, 0, 0]);
  assertNear(
    lone.blended,
    lone.group.map((A) => 0.2 * A),
  );
  assertNear(stratifiedAdvantages([searches(0, 1), searches(1, 1)], parse({ epsilon: 0 })).blended, [0, 0]);
});

test("the cross-stratum bias accounts for the whole difference of the variances", () => {
  const random = randomNumbers(3);
  const rewards = Array.from({ length: 30 }, () => random());
  const keys = rewards.map(() => Math.floor(random() * 4));
  const { group, within, bias, gap } = stratumDecomposition(rewards, keys);
  const variance = (values: Float64Array) => values.reduce((sum, v) => sum + v * v, 0) / values.length;
  assertNear(
    group,
    within.map((value, i) => value + bias[i]!),
  );
  assertNear([variance(group) - variance(within)], [gap]);
});

test("keys count searches, tools, turns and outcomes, or are a reward component; high counts share a stratum", () => {
  const step = (meta: Record<string, unknown>) => ({ start: 0, end: 1, meta });
  const r = row({
    length: 3,
    text: "<search>a</search><search>b</search>",
    steps: [step({ tool: "search" }), step({}), step({ tool: "python", empty: true })],
    components: { kind: { unit: "episode", values: Float64Array.of(4) } },
  });
  const key = (options: Record<string, unknown>) => stratumKey(r, parse(options));
  assert.equal(key({}), 2);
  assert.equal(key({ max_bucket: 1 }), 1);
  assert.equal(key({ key: "tool_count" }), 2);
  assert.equal(key({ key: "turn_count" }), 3);
  assert.equal(key({ key: "tool_sequence" }), "search,python");
  assert.equal(key({ key: "call_outcome" }), "found,empty");
  assert.equal(key({ key: { component: "kind" } }), 4);
  assert.throws(() => key({ key: { component: "none" } }), /no reward component named none/);
});

test("the record says how many strata there are, which have no signal, and how each fares", () => {
  const tally = emptyTally();
  const rows = [searches(0, 1), searches(0, 0), searches(1, 1), searches(1, 1), searches(2, 0)];
  makeAdvantage(parse() as never).estimate(rows, tally);
  const metrics = metricValues(tally);
  assert.equal(metrics["stratified/strata"], 3);
  assert.equal(metrics["stratified/singletons"], 1 / 3);
  assert.equal(metrics["stratified/zero_std"], 1 / 3);
  assert.equal(metrics["stratified/key"], 0.8);
  assert.equal(metrics["stratified/reward_1"], 1);
  assert.equal(metrics["stratified/rows_0"], 2);
});

test("a bucket for keys that are no counts is refused", () => {
  assert.deepEqual(
    mistakes(`${least}model: {path: m}
advantage: {kind: stratified, key: tool_sequence, max_bucket: 3}
`),
    ["run.yaml:4:51: advantage.max_bucket: has no effect with this key: it is no count"],
  );
});
