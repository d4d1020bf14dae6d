import assert from "node:assert/strict";
import { test } from "node:test";
import { evaluate } from "../evaluate-objective.js";
import { randomBatch } from "../random-rows.js";

const kl = { coefficient: 0.3, estimator: "k2" };
const terms = [{ kind: "entropy", coefficient: 0.2 }];

test("loss and gradient are those of policy, KL and entropy, each times its coefficient", () => {
  const batch = randomBatch(51);
  const parts = [
    evaluate({ coefficient: 0.7 }, batch),
    evaluate({ coefficient: 0, kl }, batch),
    evaluate({ coefficient: 0, terms }, batch),
  ];
  const whole = evaluate({ coefficient: 0.7, kl, terms }, batch);
  const sum = (of: (part: (typeof parts)[number]) => number) => parts.reduce((total, part) => total + of(part), 0);
  assert.ok(Math.abs(whole.loss - sum(({ loss }) => loss)) < 1e-14);
  whole.gradients.forEach(({ dlogp, dentropy }, i) => {
    dlogp.forEach((value, t) => {
      assert.ok(Math.abs(value - sum(({ gradients }) => gradients[i]!.dlogp[t]!)) < 1e-14);
      assert.ok(Math.abs(dentropy![t]! - sum(({ gradients }) => gradients[i]!.dentropy?.[t] ?? 0)) < 1e-14);
    });
  });
});

test("a coefficient of 0 leaves the policy loss out, and still reports it", () => {
  const batch = randomBatch(52);
  const [without, plain] = [evaluate({ coefficient: 0 }, batch), evaluate({}, batch)];
  assert.equal(without.loss, 0);
  assert.deepEqual(without.metrics["policy/loss"], plain.metrics["policy/loss"]);
  assert.ok(without.gradients.every(({ dlogp }) => dlogp.every((value) => value === 0)));
});

test("without advantages only KL and entropy move the policy", () => {
  const batch = randomBatch(53);
  for (const row of batch.rows) row.advantage = new Float64Array(row.length);
  const { gradients } = evaluate({ terms }, batch);
  assert.ok(gradients.every(({ dlogp }) => dlogp.every((value) => value === 0)));
  assert.ok(gradients.some(({ dentropy }) => dentropy!.some((value) => value !== 0)));
});
