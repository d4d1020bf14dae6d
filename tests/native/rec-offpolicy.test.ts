import assert from "node:assert/strict";
import { test } from "node:test";
import { makeAdvantage } from "../../src/algorithms/advantage/registry.js";
import { recKeeps } from "../../src/algorithms/objective/rec.js";
import { balanceShaper } from "../../src/algorithms/shape/balance.js";
import { emptyTally, metricValues } from "../../src/algorithms/tally.js";
import { advantageSchema } from "../../src/config/schema/advantage.js";
import { assertClose, difference, evaluate } from "../evaluate-objective.js";
import { row } from "../golden/adapter.js";
import { type Batch, randomBatch, randomNumbers } from "../random-rows.js";

const aggregations = ["token_mean", "sequence_mean_token_mean", "sequence_mean_token_sum"];

test("the mask keeps what the worked examples keep", () => {
  const bounds = { epsilon_low: 0.2, epsilon_high: 0.2, outer_low: 0.6, outer_high: 2 };
  assert.equal(recKeeps(1.3, 1, { clip: "one_side", ...bounds }), false);
  assert.equal(recKeeps(1.3, -1, { clip: "one_side", ...bounds }), true);
  assert.equal(recKeeps(1.3, 0, { clip: "one_side", ...bounds }), true);
  assert.equal(recKeeps(1.3, -1, { clip: "two_side", ...bounds }), false);
  assert.equal(recKeeps(0.3, 1, { clip: "ring", ...bounds }), true);
  assert.equal(recKeeps(0.3, -1, { clip: "ring", ...bounds }), false);
  assert.equal(recKeeps(1.3, 1, { clip: "none", ...bounds }), true);
});

test("one side with the ratio as weight has the gradient of the clipped surrogate, at every level", () => {
  for (const level of ["token", "sequence", { span: "rank" }]) {
    for (const aggregation of aggregations) {
      const batch = randomBatch(21);
      const bounds = { level, aggregation, epsilon_low: 0.1, epsilon_high: 0.05 };
      const rec = evaluate({ kind: "rec", weight: "ratio", ...bounds }, batch);
      const clip = evaluate({ kind: "clip", ...bounds, straight_through: level !== "token" }, batch);
      rec.gradients.forEach(({ dlogp }, i) => {
        dlogp.forEach((value, t) => {
          assert.ok(Math.abs(value - clip.gradients[i]!.dlogp[t]!) < 1e-15);
        });
      });
    }
  }
});

test("without clip and weight it is REINFORCE", () => {
  const batch = randomBatch(22);
  const { loss, gradients } = evaluate({ kind: "rec", clip: "none" }, batch);
  assert.deepEqual({ loss, gradients }, pick(evaluate({ kind: "reinforce" }, batch)));
});

test("AsymRE is the same as a regulariser and as a shift of the baseline", () => {
  const shift = 0.3;
  for (const aggregation of aggregations) {
    const batch = randomBatch(23);
    const term = { kind: "old_policy", regularizer: "forward_kl", coefficient: shift };
    const regularised = evaluate({ kind: "rec", clip: "none", aggregation, terms: [term] }, batch);
    const shifted = evaluate({ kind: "rec", clip: "none", aggregation }, shiftAdvantages(batch, shift));
    assert.ok(Math.abs(regularised.loss - shifted.loss) < 1e-14);
    regularised.gradients.forEach(({ dlogp }, i) => {
      dlogp.forEach((value, t) => {
        assert.ok(Math.abs(value - shifted.gradients[i]!.dlogp[t]!) < 1e-15);
      });
    });
  }
});

test("gradients of the distance to the old policy are those of its loss", () => {
  for (const regularizer of ["k2", "forward_kl"]) {
    const config = { terms: [{ kind: "old_policy", regularizer, coefficient: 0.4 }] };
    const batch = randomBatch(24);
    const { gradients } = evaluate(config, batch);
    batch.current.forEach(({ logp }, i) => {
      logp.forEach((_, t) => {
        const numeric = difference(config, batch, (step) => {
          logp[t]! += step;
        });
        assertClose(gradients[i]!.dlogp[t]!, numeric, `${regularizer} ${i} ${t}`);
      });
    });
  }
});

test("a soft baseline lies between the mean and the maximum, and nears the mean as it is heated", () => {
  const random = randomNumbers(25);
  const rewards = Array.from({ length: 6 }, random);
  const of = (options: object) =>
    makeAdvantage(advantageSchema.parse({ kind: "soft_baseline", ...options })).estimate(
      rewards.map((reward) => row({ length: 1, reward })),
    )[0]![0]!;
  const [cold, warm, hot] = [of({ temperature: 1e-3 }), of({ temperature: 0.5 }), of({ temperature: 1e6 })];
  assert.ok(cold < warm && warm < hot);
  assert.ok(Math.abs(hot - of({})) < 1e-6);
  assert.ok(Math.abs(of({ shift: -0.1 }) - of({}) - 0.1) < 1e-15);
});

test("balance takes random rows below the mean out until they are no more than the others", () => {
  const rows = [1, 0, 0, 0, 0, 1, 0.2, 0].map((reward, i) => row({ length: 1, reward, group: i < 8 ? 0 : 1 }));
  const random = randomNumbers(26);
  const words = rows.map(() => Math.floor(random() * 2 ** 32));
  const tally = emptyTally();
  balanceShaper().shape(rows, tally, (_, __, i) => words[i]!);
  const kept = rows.filter(({ reward }) => !Number.isNaN(reward));
  assert.equal(kept.length, 4);
  assert.equal(kept.filter(({ reward }) => reward === 1).length, 2);
  assert.equal(metricValues(tally)["balance/dropped"], 0.5);
  const advantages = makeAdvantage(advantageSchema.parse({})).estimate(rows);
  rows.forEach(({ reward }, i) => {
    if (Number.isNaN(reward)) assert.equal(advantages[i]![0], 0);
  });
});

test("a balanced group is left alone", () => {
  const rows = [1, 0, 1, 0].map((reward) => row({ length: 1, reward }));
  balanceShaper().shape(rows, emptyTally(), () => 0);
  assert.deepEqual(
    rows.map(({ reward }) => reward),
    [1, 0, 1, 0],
  );
});

function pick({ loss, gradients }: ReturnType<typeof evaluate>) {
  return { loss, gradients };
}

function shiftAdvantages(batch: Batch, shift: number): Batch {
  return { ...batch, rows: batch.rows.map((one) => ({ ...one, advantage: one.advantage!.map((A) => A + shift) })) };
}

test("what the mask takes out is told by the advantage's sign, and all ratios by their quantiles", () => {
  const one = (ratio: number, advantage: number) => ({ ratio, advantage });
  const cases = [one(1.5, 1), one(0.5, 1), one(0.5, -1), one(1, -1)];
  const { rows, current } = randomBatch(27);
  const old = new Float64Array(cases.length).fill(-1);
  const row_ = {
    ...rows[0]!,
    length: cases.length,
    mask: new Uint8Array(cases.length).fill(1),
    old,
    advantage: Float64Array.from(cases, ({ advantage }) => advantage),
  };
  const logp = Float64Array.from(cases, ({ ratio }) => -1 + Math.log(ratio));
  const batch: Batch = { rows: [row_], current: [{ ...current[0]!, logp }] };
  const told = metricValues(evaluate({ kind: "rec", clip: "two_side" }, batch));
  assert.equal(told["rec/masked_positive"], 2 / 4);
  assert.equal(told["rec/masked_negative"], 1 / 4);
  assert.ok(Math.abs(told["ratio/p50"]! - 0.75) < 1e-12);
  assert.ok(Math.abs(told["ratio/p75"]! - 1.125) < 1e-12);
});
