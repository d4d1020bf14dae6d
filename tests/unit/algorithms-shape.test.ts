import assert from "node:assert/strict";
import { test } from "node:test";
import { makeFilter, varies } from "../../src/algorithms/filter/zero-variance.js";
import { klEstimate } from "../../src/algorithms/kl.js";
import { KlController } from "../../src/algorithms/kl-controller.js";
import { categoricalKl, klExpectation } from "../../src/algorithms/kl-expectation.js";
import { EntropyBonus } from "../../src/algorithms/objective/entropy-bonus.js";
import { rejectionMasks } from "../../src/algorithms/objective/rejection.js";
import { rolloutWeights } from "../../src/algorithms/objective/rollout-correction.js";
import { makeShapers } from "../../src/algorithms/shape/registry.js";
import { statefulParts } from "../../src/algorithms/types.js";
import { objectiveSchema, type PolicyConfig } from "../../src/config/schema/objective.js";
import { shapeSchema } from "../../src/config/schema/shape.js";
import { row } from "../golden/adapter.js";
import { randomBatch } from "../random-rows.js";

test("shapers act in order: penalties add to the reward, bounds hold it, truncated rows lose their mask", () => {
  const config = shapeSchema.parse([
    { kind: "soft_overlong", max_tokens: 4, cache_tokens: 2 },
    { kind: "repetition", ngram: 1, max_penalty: -1 },
    { kind: "clip", min: -1.25, max: 0.5 },
    { kind: "mask_truncated" },
  ]);
  const rows = [
    row({ length: 2, reward: 1, tokens: Int32Array.of(1, 2) }),
    row({ length: 3, reward: 1, tokens: Int32Array.of(1, 2, 3) }),
    row({ length: 6, reward: 0, tokens: Int32Array.of(1, 1, 1, 2, 2, 2), terminated: false }),
  ];
  for (const shaper of makeShapers(config)) shaper.shape(rows);
  assert.deepEqual(
    rows.map(({ reward }) => reward),
    [0.5, 0.5, -1.25],
  );
  assert.deepEqual([...rows[2]!.mask], [0, 0, 0, 0, 0, 0]);
  assert.deepEqual([...rows[0]!.mask], [1, 1]);
});

test("a KL penalty in the reward takes coefficient x estimate off each trained action, and follows its target", () => {
  const { kl } = objectiveSchema.parse({
    kl: { coefficient: 0.5, estimator: "k1", placement: "reward", adaptive: { target: 0.1, horizon: 100 } },
  });
  const shapers = makeShapers([], kl);
  const one = row({
    length: 2,
    mask: Uint8Array.of(1, 0),
    old: Float64Array.of(-1, -1),
    reference: Float64Array.of(-2, -5),
  });
  shapers[0]!.shape([one]);
  assert.deepEqual([...one.actionRewards!], [-0.5, 0]);
  const [state] = statefulParts(shapers);
  assert.equal(state!.saveState(), 0.5 * (1 + 0.2 / 100));
  assert.deepEqual(makeShapers([], { ...kl, coefficient: 0 }), []);
});

test("controllers continue where they were saved", () => {
  const adaptive = { target: 0.1, horizon: 50 };
  const first = new KlController({ coefficient: 1, adaptive });
  first.update(0.3, 8);
  const second = new KlController({ coefficient: 1, adaptive });
  second.loadState(JSON.parse(JSON.stringify(first.saveState())));
  first.observe({ "kl/mean": 0.05 }, 8);
  second.observe({ "kl/mean": 0.05 }, 8);
  assert.equal(second.coefficient, first.coefficient);

  const config = {
    kind: "entropy",
    coefficient: 0,
    adaptive: { target: 0.2, step: 0.01, min: 0, max: 0.015 },
  } as const;
  const bonus = new EntropyBonus(config);
  bonus.observe({ "entropy/bonus": 0.1 });
  bonus.observe({ "entropy/bonus": 0.1 });
  assert.equal(bonus.coefficient, 0.015);
  const resumed = new EntropyBonus(config);
  resumed.loadState(JSON.parse(JSON.stringify(bonus.saveState())));
  resumed.observe({ "entropy/bonus": 0.9 });
  assert.equal(resumed.coefficient, 0);
});

test("k3 and the straight-through forms have the slopes the table promises", () => {
  const policy = Float64Array.of(0.3, -1, 0.8);
  const reference = Float64Array.of(1, 0, -0.4);
  const exact = categoricalKl(policy, reference);
  for (const [estimator, corrected] of [
    ["k2", false],
    ["k1+", false],
    ["k3+", false],
    ["k3", true],
  ] as const) {
    const { gradient } = klExpectation(policy, reference, estimator, corrected);
    gradient.forEach((value, i) => {
      assert.ok(Math.abs(value - exact.gradient[i]!) < 1e-12, estimator);
    });
  }
  for (const d of [-3, -0.2, 0, 0.7]) {
    const h = 1e-6;
    const slope = (klEstimate("k3", d + h).value - klEstimate("k3", d - h).value) / (2 * h);
    assert.ok(Math.abs(klEstimate("k3", d).slope - slope) < 1e-7);
    assert.ok(klEstimate("k3", d).value >= 0);
  }
});

test("rollout weights are 1 where sampling and old policy agree, and nothing is rejected", () => {
  const { rows } = randomBatch(2);
  const exact = rows.map((one) => ({ ...one, rollout: one.old! }));
  const masks = exact.map(({ mask }) => mask);
  for (const unit of ["token", "sequence"] as const) {
    for (const mode of ["truncate", "mask"] as const) {
      const weights = rolloutWeights(exact, masks, { unit, mode, min: 0.5, max: 2, normalize: true });
      assert.ok(weights.every((values) => values.every((value) => value === 1)));
    }
  }
  const config = objectiveSchema.parse({
    rejection: [{ unit: "sequence_sum", estimator: "k1", max: 1.01 }],
  }) as PolicyConfig;
  assert.deepEqual(rejectionMasks(exact, config.rejection), masks);
});

test("groups of equal rewards are kept, dropped or replaced as configured; NaN does not count", () => {
  assert.equal(varies([1, 1, Number.NaN]), false);
  assert.equal(varies([Number.NaN, 1, 0]), true);
  assert.equal(makeFilter({ zero_variance: "keep" })([1, 1]), "train");
  assert.equal(makeFilter({ zero_variance: "drop" })([1, 1]), "drop");
  assert.equal(makeFilter({ zero_variance: "resample" })([0, 0]), "resample");
  assert.equal(makeFilter({ zero_variance: "resample" })([0, 1]), "train");
});
