import assert from "node:assert/strict";
import { test } from "node:test";
import { makeObjective } from "../../src/algorithms/objective/registry.js";
import { emptyTally, metricValues } from "../../src/algorithms/tally.js";
import type { Row } from "../../src/algorithms/types.js";
import { objectiveSchema } from "../../src/config/schema/objective.js";
import { assertClose, context, difference, evaluate } from "../evaluate-objective.js";
import { type Batch, randomBatch } from "../random-rows.js";

type Partials = Record<string, unknown>;

const levels = ["token", "sequence", { span: "rank" }];
const aggregations = [
  "token_mean",
  "sequence_mean_token_mean",
  "sequence_mean_token_sum",
  "sequence_mean_token_sum_norm",
  "token_sum_norm",
];
const rules: Partials[] = [
  { kind: "clip", epsilon_low: 0.1, epsilon_high: 0.15 },
  { kind: "clip", epsilon_low: 0.05, epsilon_high: 0.08, dual_clip: 1.1 },
  { kind: "clip", delta: 1.12, ratio: "product" },
  { kind: "sapo" },
  { kind: "geometric_mean", epsilon_low: 0.1, epsilon_high: 0.1 },
  { kind: "cispo", epsilon_low: 0.1, epsilon_high: 0.1 },
  { kind: "reinforce" },
  { kind: "reinforce", tau: 0.5 },
  {
    kind: "rec",
    clip: "ring",
    weight: "ratio",
    epsilon_low: 0.1,
    epsilon_high: 0.1,
    outer_low: 0.15,
    outer_high: 0.15,
  },
  { kind: "rec", clip: "one_side", weight: "advantage", epsilon_low: 0.1, epsilon_high: 0.1 },
  { kind: "rec", clip: "two_side", weight: "truncated_ratio", outer_low: 0.05, outer_high: 0.05 },
  { kind: "vespo" },
];
const extras: Partials[] = [
  {},
  { kl: { coefficient: 0.3, corrected: true } },
  { kl: { coefficient: 0.3, estimator: "k2" }, rollout_correction: { unit: "token", mode: "truncate", max: 1.05 } },
  { rejection: [{ unit: "token", estimator: "k1", max: 1.08 }], terms: [{ kind: "entropy", coefficient: 0.2 }] },
  { entropy_mask: { keep: 0.6 }, terms: [{ kind: "value", coefficient: 0.5, clip: 0.2 }] },
];

/** Rules whose weight is a constant: only logp itself moves the loss, so old moves along and the ratio stays. */
const constantWeight = new Set(["cispo", "reinforce", "vespo", "rec"]);

for (const rule of rules) {
  test(`${JSON.stringify(rule)}: gradients are those of the loss at every level, under every aggregation`, () => {
    const constant = constantWeight.has(String(rule.kind));
    const withLevel = rule.kind !== "reinforce" && rule.kind !== "vespo";
    for (const [l, level] of (withLevel ? levels : [undefined]).entries()) {
      for (const [a, aggregation] of aggregations.entries()) {
        for (const [e, extra] of extras.entries()) {
          // The corrected KL moves with the ratio, which is held here.
          if (constant && "kl" in extra && e === 1) continue;
          const config = { ...rule, aggregation, ...(level === undefined ? {} : { level }), ...extra };
          const batch = randomBatch(100 * l + 10 * a + e);
          // The sampling policy moves with old where old moves, so that corrections stay as they are.
          const { gradients } = evaluate(config, batch);
          const i = (7 * l + 3 * a + e) % batch.rows.length;
          for (let t = 0; t < batch.rows[i]!.length; t++) {
            const place = `${JSON.stringify(config)} row ${i} action ${t}`;
            const moved = constant
              ? [batch.current[i]!.logp, batch.rows[i]!.old!, batch.rows[i]!.rollout!]
              : [batch.current[i]!.logp];
            const numeric = difference(config, batch, (step) => {
              for (const array of moved) array[t]! += step;
            });
            assertClose(gradients[i]!.dlogp[t]!, numeric, `${place} dlogp`);
            for (const [name, key] of [
              ["entropy", "dentropy"],
              ["value", "dvalue"],
            ] as const) {
              if (gradients[i]![key] === undefined) continue;
              const slope = difference(config, batch, (step) => {
                batch.current[i]![name][t]! += step;
              });
              assertClose(gradients[i]![key]![t]!, slope, `${place} ${key}`);
            }
          }
        }
      }
    }
  });
}

test("loss, gradients and metrics are the same bits for every cut into micro-batches", () => {
  for (const rule of rules) {
    for (const extra of extras) {
      const config = { ...rule, ...extra };
      const whole = evaluate(config, randomBatch(5));
      for (const cut of [1, 2, 5]) assert.deepEqual(evaluate(config, randomBatch(5), cut), whole);
    }
  }
});

test("shares of a minibatch add up to its loss when each is given the counts of the whole", () => {
  for (const aggregation of aggregations) {
    const batch = randomBatch(6);
    const whole = evaluate({ aggregation }, batch);
    const counts = {
      rows: 12,
      filledRows: 11,
      actions: batch.rows.reduce((n, { mask }) => n + mask.reduce((a, b) => a + b, 0), 0),
    };
    let sum = 0;
    for (const range of [
      [0, 5],
      [5, 12],
    ] as const) {
      const objective = makeObjective(objectiveSchema.parse({ aggregation }), context);
      const rows = batch.rows.slice(...range);
      const tally = emptyTally();
      objective.rows([...rows.keys()], batch.current.slice(...range), objective.prepare(rows, null, counts), tally);
      sum += tally.loss;
    }
    assert.ok(Math.abs(sum - whole.loss) < 1e-14);
  }
});

test("with rows of one action, sequence and span ratios equal the token clip", () => {
  const single = randomBatch(8, { groups: 4, longest: 1 });
  const token = evaluate({ level: "token" }, single);
  assert.deepEqual(evaluate({ level: "sequence" }, single).gradients, token.gradients);
  assert.deepEqual(evaluate({ level: { span: "rank" } }, single).gradients, token.gradients);
});

test("spans of one action each equal the token level, one span over the row the sequence level", () => {
  const batch = randomBatch(9);
  const spans = (id: (t: number) => number): Batch => ({
    ...batch,
    rows: batch.rows.map((row) => ({ ...row, spans: { rank: Int32Array.from(row.tokens, (_, t) => id(t)) } })),
  });
  const span = { level: { span: "rank" } };
  assert.deepEqual(
    evaluate(
      span,
      spans((t) => t),
    ).gradients,
    evaluate({ level: "token" }, batch).gradients,
  );
  assert.deepEqual(
    evaluate(
      span,
      spans(() => 3),
    ).gradients,
    evaluate({ level: "sequence" }, batch).gradients,
  );
});

test("GSPO-token has the loss of GSPO, and its gradient where the advantage is constant in the row", () => {
  const batch = randomBatch(10);
  const config = { level: "sequence", epsilon_low: 0.05, epsilon_high: 0.05, aggregation: "sequence_mean_token_mean" };
  const plain = evaluate(config, batch);
  const through = evaluate({ ...config, straight_through: true }, batch);
  assert.equal(through.loss, plain.loss);
  through.gradients.forEach(({ dlogp }, i) => {
    dlogp.forEach((value, t) => {
      assert.ok(Math.abs(value - plain.gradients[i]!.dlogp[t]!) < 1e-15);
    });
  });
});

test("on-policy, the loss is minus the mean advantage and nothing is clipped", () => {
  const batch = randomBatch(11, { drift: 0 });
  const { loss, metrics, gradients } = evaluate({ aggregation: "token_mean" }, batch);
  let sum = 0;
  let count = 0;
  batch.rows.forEach(({ mask, advantage }) => {
    mask.forEach((on, t) => {
      sum += on * advantage![t]!;
      count += on;
    });
  });
  assert.ok(Math.abs(loss + sum / count) < 1e-15);
  assert.deepEqual(metrics["ratio/clip_region"], { sum: 0, count });
  assert.deepEqual(metrics["ratio/max"], { max: 1 });
  const reinforce = evaluate({ kind: "reinforce", aggregation: "token_mean" }, batch);
  assert.deepEqual(reinforce.gradients, gradients);
});

test("without old log-probs the current ones stand for them: ratio 1, gradient of the log-prob", () => {
  const batch = randomBatch(12);
  const without: Batch = {
    ...batch,
    rows: batch.rows.map((row) => {
      const copy: Row = { ...row };
      delete copy.old;
      return copy;
    }),
  };
  assert.deepEqual(evaluate({}, without).metrics["ratio/min"], { min: 1 });
  assert.deepEqual(evaluate({}, without).gradients, evaluate({ kind: "reinforce" }, without).gradients);
});

test("the hand-made cases of the clip come out: no gradient beyond it, dual clip bounds the loss", () => {
  const one = (ratio: number, advantage: number): Batch => {
    const { rows, current } = randomBatch(1);
    const row = { ...rows[0]!, length: 1, mask: Uint8Array.of(1), old: Float64Array.of(-1) };
    const logp = Float64Array.of(-1 + Math.log(ratio));
    return { rows: [{ ...row, advantage: Float64Array.of(advantage) }], current: [{ ...current[0]!, logp }] };
  };
  const check = (config: Partials, batch: Batch, loss: number, gradient: number) => {
    const result = evaluate(config, batch);
    assert.ok(Math.abs(result.loss - loss) < 1e-12 && Math.abs(result.gradients[0]!.dlogp[0]! - gradient) < 1e-12);
  };
  check({}, one(1.5, 1), -1.2, 0);
  check({}, one(1.5, -1), 1.5, 1.5);
  check({ dual_clip: 1.05 }, one(1.5, -1), 1.05, 0);
  check({ delta: 1.3 }, one(1.5, -1), 1.3, 0);
});

test("rank ratios, CISPO and a KL penalty combine; each span has one ratio and every action a gradient", () => {
  const batch = randomBatch(13);
  const { gradients } = evaluate({ kind: "cispo", level: { span: "rank" }, epsilon_high: 0.1 }, batch);
  batch.rows.forEach(({ mask }, i) => {
    mask.forEach((on, t) => {
      assert.equal(gradients[i]!.dlogp[t] !== 0, on === 1);
    });
  });
});

test("a row's weight scales its share, a coefficient of 0 asks for no reference model", () => {
  const batch = randomBatch(14);
  const plain = evaluate({}, batch);
  const doubled = evaluate({}, { ...batch, rows: batch.rows.map((row) => ({ ...row, weight: 2 })) });
  assert.ok(Math.abs(doubled.loss - 2 * plain.loss) < 1e-14);
  assert.equal(makeObjective(objectiveSchema.parse({}), context).needs.reference, undefined);
  assert.equal(
    makeObjective(objectiveSchema.parse({ kl: { coefficient: 0.1 } }), context).needs.reference,
    "reference",
  );
});

test("ratios and weights of the rollout correction are told by their mean and extremes", () => {
  const { rows, current } = randomBatch(16);
  const mask = Uint8Array.of(1, 0, 1);
  const row = { ...rows[0]!, length: 3, mask, advantage: new Float64Array(3).fill(1) };
  const old = Float64Array.of(-1, -1, -1);
  const rollout = old.map((value, t) => value - Math.log([2, 9, 0.5][t]!));
  const logp = old.map((value, t) => value + Math.log([1.5, 9, 0.5][t]!));
  const batch: Batch = { rows: [{ ...row, old, rollout }], current: [{ ...current[0]!, logp }] };
  const correction = { unit: "token", mode: "truncate", max: 1.25 };
  const told = metricValues(evaluate({ rollout_correction: correction }, batch));
  const names = ["ratio/mean", "rollout/weight_min", "rollout/weight_mean", "rollout/weight_max"];
  const want = [1, 0.5, 0.875, 1.25];
  names.forEach((name, i) => {
    assert.ok(Math.abs(told[name]! - want[i]!) < 1e-12, `${name}: ${told[name]}`);
  });
  assert.equal("rollout/weight_min" in evaluate({}, batch).metrics, false);
});
