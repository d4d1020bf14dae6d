import assert from "node:assert/strict";
import { test } from "node:test";
import { bradleyTerryLoss, preferenceAccuracy, scoreRewards } from "../../src/algorithms/reward-model/bradley-terry.js";
import { rewardsSchema } from "../../src/config/schema/rewards.js";
import { GrpoError } from "../../src/errors.js";
import { createRewards } from "../../src/rewards/reward-set.js";
import { sample } from "../golden/adapter.js";
import { randomNumbers } from "../random-rows.js";

async function score(thinking: object, records: Record<string, unknown>[]) {
  const rewards = await createRewards(
    rewardsSchema.parse([
      { name: "format", kind: "column", column: "f" },
      { name: "outcome", kind: "column", column: "o" },
      { name: "thinking", kind: "column", column: "t", ...thinking },
    ]),
    { baseDir: ".", seed: 0 },
  );
  const samples = records.map((record) => sample("", record));
  return rewards.score(samples, { step: 1, evaluation: false });
}

const gate = { when: "rewards.outcome == 1" };
const records = [
  { f: 1, o: 1, t: 0.9 },
  { f: 1, o: 1, t: 0.1 },
  { f: 1, o: 0, t: 0.9 },
  { f: 0, o: 0, t: 0.99 },
];

test("the reasoning counts only behind a right outcome; the worked example comes out", async () => {
  const { total, components } = await score(gate, records);
  assert.deepEqual([...total], [2.9, 2.1, 1, 0]);
  assert.deepEqual(components.thinking, [0.9, 0.1, null, null]);
});

test("with weight 0 it is the outcome and format alone", async () => {
  assert.deepEqual([...(await score({ ...gate, weight: 0 }, records)).total], [2, 2, 1, 0]);
});

test("a component may be multiplied by another one, and does not apply where that one does not", async () => {
  const rows = [
    { f: 1, o: 0.5, t: 0.8 },
    { f: 1, o: null, t: 0.8 },
  ];
  const { total, components } = await score({ times: "outcome" }, rows);
  assert.deepEqual(components.thinking, [0.4, null]);
  assert.deepEqual([...total], [1.9, 1]);
});

test("a column that holds no number is told with the row's columns", async () => {
  await assert.rejects(score(gate, [{ f: 1, o: 1, t: "good" }]), (error: GrpoError) => {
    assert.equal(error.message, 'reward "thinking": column "t" of the data row is not a number but "good"');
    assert.equal(error.fix, "name a column of numbers; the row has: f, o, t");
    return error instanceof GrpoError;
  });
});

test("equal scores lose log 2, with gradient one half each; the loss falls as the margin grows", () => {
  const { loss, dpreferred, drejected } = bradleyTerryLoss(Float64Array.of(3, 0), Float64Array.of(3, 0));
  assert.ok(Math.abs(loss - Math.LN2) < 1e-15);
  assert.deepEqual([...dpreferred, ...drejected], [-0.25, -0.25, 0.25, 0.25]);
  const at = (margin: number) => bradleyTerryLoss(Float64Array.of(margin), Float64Array.of(0)).loss;
  assert.ok(at(-1) > at(0) && at(0) > at(1) && at(1) > at(50));
  assert.equal(at(-1000), 1000);
  assert.equal(at(1000), 0);
});

test("gradients of the Bradley-Terry loss are those of central differences", () => {
  const random = randomNumbers(31);
  const preferred = Float64Array.from({ length: 5 }, () => 4 * random() - 2);
  const rejected = Float64Array.from({ length: 5 }, () => 4 * random() - 2);
  const { dpreferred, drejected } = bradleyTerryLoss(preferred, rejected);
  const h = 1e-5;
  for (const [scores, gradient] of [
    [preferred, dpreferred],
    [rejected, drejected],
  ] as const) {
    scores.forEach((value, n) => {
      scores[n] = value + h;
      const above = bradleyTerryLoss(preferred, rejected).loss;
      scores[n] = value - h;
      const below = bradleyTerryLoss(preferred, rejected).loss;
      scores[n] = value;
      assert.ok(Math.abs((above - below) / (2 * h) - gradient[n]!) < 1e-9);
    });
  }
});

test("ties are wrong; scores become rewards in [0, 1]", () => {
  assert.deepEqual(preferenceAccuracy([1, 2, 0], [0, 2, 1]), { accuracy: 1 / 3, ties: 1 });
  assert.deepEqual([...scoreRewards([-1000, 0, 1000, Number.NaN], "sigmoid")], [0, 0.5, 1, 0]);
  assert.deepEqual([...scoreRewards([2, 4, 3], "minmax_group")], [0, 1, 0.5]);
  assert.deepEqual([...scoreRewards([5, 5], "minmax_group")], [0, 0]);
  assert.deepEqual([...scoreRewards([-0.5, 0.25, 3], "identity_clip")], [0, 0.25, 1]);
});
