import assert from "node:assert/strict";
import { test } from "node:test";
import { groupRecord, recordGroup, regressGroup } from "../../src/algorithms/objective/group-regression.js";
import { makeObjective } from "../../src/algorithms/objective/registry.js";
import { emptyTally, metricValues } from "../../src/algorithms/tally.js";
import { objectiveSchema } from "../../src/config/schema/objective.js";
import { type Batch, randomBatch } from "../random-rows.js";

function evaluate(config: Record<string, unknown>, { rows, current }: Batch, cut = rows.length) {
  const objective = makeObjective(objectiveSchema.parse({ kind: "reg_grpo", ...config }), { maxCompletionTokens: 1 });
  const state = objective.prepare(rows, current);
  const tally = emptyTally();
  const gradients = [];
  for (let start = 0; start < rows.length; start += cut) {
    const indices = [...rows.keys()].slice(start, start + cut);
    gradients.push(...objective.rows(indices, current.slice(start, start + cut), state, tally));
  }
  return { loss: tally.loss, metrics: tally.metrics, gradients };
}

test("the gradient is that of the loss through the group statistics, for sum and mean, with and without KL", () => {
  for (const config of [{ sigma_smooth: 0.1 }, { rho: "mean", sigma_smooth: 0.1, kl: { coefficient: 0.3 } }]) {
    const batch = randomBatch(31, { groups: 2 });
    const { gradients } = evaluate(config, batch);
    batch.current.forEach(({ logp }, i) => {
      for (let t = 0; t < logp.length; t++) {
        const h = 1e-6;
        logp[t]! += h;
        const above = evaluate(config, batch).loss;
        logp[t]! -= 2 * h;
        const below = evaluate(config, batch).loss;
        logp[t]! += h;
        assert.ok(Math.abs(gradients[i]!.dlogp[t]! - (above - below) / (2 * h)) < 1e-7, `row ${i} action ${t}`);
      }
    });
  }
});

test("micro-batches may cut through groups: loss, gradients and metrics keep their bits", () => {
  const config = { kl: { coefficient: 0.1 } };
  const whole = evaluate(config, randomBatch(32));
  for (const cut of [1, 3, 5]) assert.deepEqual(evaluate(config, randomBatch(32), cut), whole);
});

test("log-ratios that follow the advantages cost nothing, opposed ones 4, equal ones no NaN", () => {
  const target = [Math.sqrt(1.5), 0, -Math.sqrt(1.5)];
  const cost = (rho: number[]) => regressGroup(target, rho, 0, false).loss.reduce((a, b) => a + b, 0) / 3;
  assert.ok(Math.abs(cost([3.2, 2.2, 1.2])) < 1e-12);
  assert.ok(Math.abs(cost([-3.2, -2.2, -1.2]) - 4) < 1e-12);
  assert.ok(regressGroup(target, [1, 1, 1], 0, false).drho.every((value) => value === 0));
  assert.ok(regressGroup(target, [1, 1, 1], 1e-4, false).drho.every(Number.isFinite));
});

test("at equal policies the gradient points where GRPO's points, group by group", () => {
  const batch = randomBatch(33, { groups: 1, drift: 0 });
  const trained = batch.rows.map(({ mask }) => mask.some((on) => on === 1));
  // Rows without a trained action have advantage 0 to the regression.
  const centred = batch.rows.map(({ advantage }, i) => (trained[i] ? advantage![0]! : 0));
  const average = centred.reduce((a, b) => a + b, 0) / centred.length;
  const { gradients } = evaluate({ sigma_smooth: 0.01 }, batch);
  gradients.forEach(({ dlogp }, i) => {
    const first = batch.rows[i]!.mask.indexOf(1);
    if (first < 0) return;
    const want = (-2 * (centred[i]! - average)) / (centred.length * 0.01);
    assert.ok(Math.abs(dlogp[first]! - want) < 1e-9);
  });
});

test("groups of equal rewards are left out, or only pulled together when asked", () => {
  const batch = randomBatch(34, { groups: 1 });
  for (const one of batch.rows) one.advantage = new Float64Array(one.length);
  assert.ok(evaluate({}, batch).gradients.every(({ dlogp }) => dlogp.every((value) => value === 0)));
  const pulled = evaluate({ skip_zero_variance: false, sigma_smooth: 0.1 }, batch);
  assert.ok(pulled.gradients.some(({ dlogp }) => dlogp.some((value) => value !== 0)));
});

test("the record tells how log-ratios of a group spread and whether they follow the advantages", () => {
  const told = (target: number[], rho: number[]) => {
    const log = emptyTally();
    recordGroup(groupRecord(target, rho), log);
    return metricValues(log);
  };
  const { "reg/rho_std": deviation, "reg/correlation": together } = told([1, 0, -1], [0.2, 0.1, 0.3]);
  assert.ok(Math.abs(deviation! - Math.sqrt(0.02 / 3)) < 1e-15);
  assert.ok(Math.abs(together! + 0.5) < 1e-12);
  assert.deepEqual(told([1, 0, -1], [0, 0, 0]), { "reg/rho_std": 0 });
  const { metrics } = evaluate({}, randomBatch(44));
  assert.equal((metrics["reg/rho_std"] as { count: number }).count, 3);
});
