import assert from "node:assert/strict";
import { test } from "node:test";
import { makeAdvantage } from "../../src/algorithms/advantage/registry.js";
import type { Row } from "../../src/algorithms/types.js";
import { advantageSchema } from "../../src/config/schema/advantage.js";
import { row } from "../golden/adapter.js";
import { randomNumbers } from "../random-rows.js";

/** One row per reward, `size` to a group. */
function rowsOf(rewards: number[], size = rewards.length): Row[] {
  return rewards.map((reward, i) => row({ length: 1 + (i % 3), group: Math.floor(i / size), reward }));
}

function advantages(config: Record<string, unknown>, rows: Row[], weights: Record<string, number> = {}): number[] {
  const values = makeAdvantage(advantageSchema.parse(config), { weights }).estimate(rows);
  return values.map((array) => array[0]!);
}

function assertNear(got: number[], want: number[], tolerance = 1e-12): void {
  assert.equal(got.length, want.length);
  got.forEach((value, i) => {
    assert.ok(Math.abs(value - want[i]!) <= tolerance, `[${i}] ${value}, expected ${want[i]}`);
  });
}

const everyKind = ["group", "leave_one_out", "length_weighted", "gpg", "pass_at_k", "reinforce_pp_baseline"].map(
  (kind) => ({ kind }),
);

test("a group of four with rewards 1 0 0 1 gets plus and minus 0.5 over its sample deviation", () => {
  const want = 0.5 / (Math.sqrt(1 / 3) + 1e-4);
  assertNear(advantages({ epsilon: 1e-4 }, rowsOf([1, 0, 0, 1])), [want, -want, -want, want]);
  assertNear(advantages({ std: "population", epsilon: 0 }, rowsOf([1, 0, 0, 1])), [1, -1, -1, 1]);
});

test("equal rewards give advantages of exactly 0, whatever the reward", () => {
  for (const config of everyKind) {
    for (const reward of [0.1, 1 / 3, 7e10]) {
      // A second group that differs keeps the whitened estimators busy.
      const rows = rowsOf([reward, reward, reward], 3);
      const got = advantages(config, rows);
      assert.deepEqual(got.map(Math.abs), [0, 0, 0], `${config.kind} of ${reward}`);
    }
  }
});

test("leave-one-out is the mean-centred advantage times G / (G - 1)", () => {
  const random = randomNumbers(3);
  const rewards = Array.from({ length: 12 }, random);
  const centred = advantages({ kind: "group", scale: "none" }, rowsOf(rewards, 4));
  assertNear(
    advantages({ kind: "leave_one_out" }, rowsOf(rewards, 4)),
    centred.map((value) => (value * 4) / 3),
  );
});

test("with equal lengths the length-weighted baseline is the mean", () => {
  const rows = rowsOf([0.3, 0.9, 0.1, 0.5]).map((one) => row({ ...one, length: 2, mask: new Uint8Array(2).fill(1) }));
  assertNear(advantages({ kind: "length_weighted" }, rows), advantages({ scale: "none" }, rows));
});

test("rewards that do not apply are left out of every statistic and get advantage 0", () => {
  for (const config of everyKind.filter(({ kind }) => kind !== "length_weighted")) {
    const got = advantages(config, rowsOf([1, Number.NaN, 0, 2]));
    const without = advantages(
      config,
      rowsOf([1, 0, 2]).map((one) => row({ ...one, length: 1, mask: Uint8Array.of(1) })),
    );
    assert.equal(got[1], 0);
    if (config.kind !== "reinforce_pp_baseline") assertNear([got[0]!, got[2]!, got[3]!], without);
  }
});

test("baseline and probe rows are in no statistic; remax takes the baseline row of the group", () => {
  const rows = rowsOf([1, 0, 1, 1, 0, 0], 3);
  const extra = [
    row({ length: 1, group: 0, reward: 9, role: "probe" }),
    row({ length: 1, group: 1, reward: 9, role: "baseline" }),
  ];
  for (const config of everyKind) {
    assert.deepEqual(advantages(config, [...rows, ...extra]).slice(0, 6), advantages(config, rows));
  }
  const greedy = [0, 1].map((group) => row({ length: 1, group, reward: 0.25 + group, role: "baseline" }));
  assertNear(advantages({ kind: "remax" }, [...rows, ...greedy]).slice(0, 6), [0.75, -0.25, 0.75, -0.25, -1.25, -1.25]);
});

test("a group's only row gets nothing, or its reward when asked", () => {
  assert.deepEqual(advantages({}, rowsOf([0.7])), [0]);
  assert.deepEqual(advantages({ scale: "none", single: "reward" }, rowsOf([0.7])), [0.7]);
  assert.deepEqual(advantages({ kind: "leave_one_out" }, rowsOf([0.7])), [0]);
  assert.deepEqual(advantages({ kind: "leave_one_out", single: "reward" }, rowsOf([0.7])), [0.7]);
  assert.deepEqual(advantages({ kind: "length_weighted" }, rowsOf([0.7])), [0]);
});

test("with one reward component, normalising before the sum is normalising twice", () => {
  const rows = rowsOf([1, 0, 0, 1, 2, 0, 1, 1], 4);
  for (const one of rows) one.components = { only: { unit: "episode", values: Float64Array.of(one.reward) } };
  const first = advantages({ epsilon: 1e-4 }, rows);
  const config = { aggregation: "normalize_then_sum", epsilon: 1e-4 };
  const spread = Math.sqrt(first.reduce((sum, value) => sum + value ** 2, 0) / 7) + 1e-4;
  assertNear(
    advantages(config, rows, { only: 1 }),
    first.map((value) => value / spread),
  );
});

test("gae with gamma and lambda 1 is the return minus the value, before whitening", () => {
  const random = randomNumbers(5);
  const rows = Array.from({ length: 3 }, (_, i) =>
    row({
      length: 4 + i,
      reward: random(),
      actionRewards: Float64Array.from({ length: 4 + i }, random),
      value: Float64Array.from({ length: 4 + i }, random),
    }),
  );
  makeAdvantage(advantageSchema.parse({ kind: "gae" })).estimate(rows);
  for (const one of rows) {
    let left = one.reward;
    for (let t = one.length - 1; t >= 0; t--) {
      left += one.actionRewards![t]!;
      assert.ok(Math.abs(one.returns![t]! - left) < 1e-12);
    }
  }
});

test("whitened advantages have mean 0 and sample variance 1 over the trained actions", () => {
  const rows = rowsOf([3, 1, 4, 1, 5, 9]);
  rows[5]!.mask[0] = 0;
  // biome-ignore lint/suspicious/noThenProperty: a key of the configuration.
  const config = advantageSchema.parse({ kind: "group", then: [{ kind: "whiten" }] });
  const values = makeAdvantage(config)
    .estimate(rows)
    .flatMap((array, i) => [...array].filter((_, t) => rows[i]!.mask[t] === 1));
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  assert.ok(Math.abs(mean) < 1e-12 && Math.abs(variance - 1) < 1e-6);
});

test("process supervision with one step at the end equals outcome supervision", () => {
  const rewards = [1, 0.5, 0, 0.25];
  const rows = rewards.map((reward) => row({ length: 3, steps: [{ start: 0, end: 3, reward, meta: {} }] }));
  assertNear(advantages({ kind: "process" }, rows), advantages({}, rowsOf(rewards)));
});
