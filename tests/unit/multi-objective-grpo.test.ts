import assert from "node:assert/strict";
import { test } from "node:test";
import { makeAdvantage } from "../../src/algorithms/advantage/registry.js";
import { poolHidden } from "../../src/algorithms/pooling.js";
import { type LabelHead, multiLabelRegression } from "../../src/algorithms/reward-model/multi-label.js";
import { makeShapers } from "../../src/algorithms/shape/registry.js";
import { emptyTally, metricValues } from "../../src/algorithms/tally.js";
import { advantageSchema } from "../../src/config/schema/advantage.js";
import { shapeSchema } from "../../src/config/schema/shape.js";
import { row } from "../golden/adapter.js";
import { randomNumbers } from "../random-rows.js";

const names = ["politeness", "meaning", "action", "safety"];

function scored(scores: (number | null)[][], group = 0) {
  return scores.map((values) =>
    row({
      length: 1,
      group,
      components: Object.fromEntries(
        values.map((value, k) => [
          names[k]!,
          value === null ? null : { unit: "episode", values: Float64Array.of(value) },
        ]),
      ),
    }),
  );
}

function shaped(rows: ReturnType<typeof scored>, options: object) {
  const log = emptyTally();
  for (const shaper of makeShapers(shapeSchema.parse([{ kind: "weighted_sum", ...options }]))) shaper.shape(rows, log);
  return { rewards: rows.map(({ reward }) => reward), metrics: metricValues(log) };
}

const equal = Object.fromEntries(names.map((name) => [name, 1]));
const near = (got: number, want: number, tolerance = 1e-12) => assert.ok(Math.abs(got - want) <= tolerance);

test("the worked example: equal weights give the mean of the scores", () => {
  const rows = scored([
    [0.2, 0.4, 0.6, 0.8],
    [0.4, 0.4, 0.4, 0.4],
  ]);
  const { rewards, metrics } = shaped(rows, { weights: equal });
  near(rewards[0]!, 0.5);
  near(rewards[1]!, 0.4);
  assert.equal(metrics["objectives/meaning/zero_std"], 1);
  near(metrics["objectives/politeness/effective_weight"]!, 0.25 * (0.2 / Math.SQRT2));
  near(metrics["objectives/action-safety/correlation"]!, 1);
  const [first, second] = makeAdvantage(advantageSchema.parse({ epsilon: 1e-4 })).estimate(rows);
  near(first![0]!, 0.05 / (0.05 * Math.SQRT2 + 1e-4));
  near(second![0]!, -first![0]!);
});

test("only the proportions of the weights count; one weight alone is that component", () => {
  const scores = [
    [0.2, 0.9, 0.6, 0.8],
    [0.4, 0.1, 0.4, 0.3],
  ];
  const doubled = Object.fromEntries(names.map((name) => [name, 2]));
  assert.deepEqual(shaped(scored(scores), { weights: doubled }), shaped(scored(scores), { weights: doubled }));
  const { rewards } = shaped(scored(scores), { weights: doubled });
  shaped(scored(scores), { weights: equal }).rewards.forEach((reward, i) => {
    near(reward, rewards[i]!);
  });
  assert.deepEqual(shaped(scored(scores), { weights: { meaning: 3 } }).rewards, [0.9, 0.1]);
});

test("a missing score counts as the least of its group, and is counted", () => {
  const { rewards, metrics } = shaped(scored([[null], [0.3], [0.7]]), { weights: { politeness: 1 } });
  assert.deepEqual(rewards, [0.3, 0.3, 0.7]);
  near(metrics["objectives/missing"]!, 1 / 3);
});

test("behind a gate that is missed, the gated score is all that counts", () => {
  const rows = scored([
    [1, 1, 1, 0.2],
    [0, 0, 0, 0.8],
  ]);
  const { rewards } = shaped(rows, { weights: equal, gate: { component: "safety", min: 0.5 } });
  near(rewards[0]!, -0.8);
  near(rewards[1]!, 0.2);
});

test("a shift per prompt changes no advantage", () => {
  const random = randomNumbers(41);
  const rewards = Array.from({ length: 8 }, random);
  const of = (shift: number) =>
    makeAdvantage(advantageSchema.parse({})).estimate(
      rewards.map((reward, i) => row({ length: 1, group: i < 4 ? 0 : 1, reward: reward + (i < 4 ? shift : 0) })),
    );
  of(5).forEach((values, i) => {
    near(values[0]!, of(0)[i]![0]!, 1e-9);
  });
});

test("normalised one by one, a component counts by its weight alone, and one that does not vary not at all", () => {
  const rows = scored([
    [1000, 0.5, 0.1, 0],
    [0, 0.5, 0.2, 0],
  ]);
  const config = advantageSchema.parse({ aggregation: "normalize_each", epsilon: 0 });
  const weights = { politeness: 0.5, action: 0.5 };
  const cancelled = makeAdvantage(config, { weights }).estimate(rows);
  near(cancelled[0]![0]!, 0, 1e-9);
  const constant = makeAdvantage(advantageSchema.parse({ aggregation: "normalize_each" }), { weights: { meaning: 1 } });
  assert.deepEqual(
    constant.estimate(rows).map((values) => values[0]),
    [0, 0],
  );
});

for (const activation of ["linear", "sigmoid"] as const) {
  test(`gradients of the ${activation} regression head are those of central differences; unknown labels have none`, () => {
    const random = randomNumbers(42);
    const draw = (length: number) => Float64Array.from({ length }, () => 2 * random() - 1);
    const [pooled, targets] = [draw(3 * 4), draw(3 * 2)];
    // The second label is never known.
    const known = Uint8Array.of(1, 0, 0, 0, 1, 0);
    const head: LabelHead = { weight: draw(2 * 4), bias: draw(2), activation };
    const loss = () => multiLabelRegression({ pooled, targets, known }, head).loss;
    const { dweight, dbias, dpooled } = multiLabelRegression({ pooled, targets, known }, head);
    for (const [values, gradient] of [
      [head.weight, dweight],
      [head.bias, dbias],
      [pooled, dpooled],
    ] as const) {
      values.forEach((value, i) => {
        values[i] = value + 1e-6;
        const above = loss();
        values[i] = value - 1e-6;
        const below = loss();
        values[i] = value;
        near(gradient[i]!, (above - below) / 2e-6, 1e-8);
      });
    }
    assert.deepEqual([...dweight.slice(4), dbias[1]], [0, 0, 0, 0, 0]);
  });
}

test("without any known label the loss and its gradients are 0", () => {
  const batch = { pooled: Float64Array.of(1, 2), targets: Float64Array.of(0.5), known: new Uint8Array(1) };
  const head: LabelHead = { weight: Float64Array.of(1, 1), bias: Float64Array.of(0), activation: "linear" };
  const { loss, dweight } = multiLabelRegression(batch, head);
  assert.deepEqual([loss, ...dweight], [0, 0, 0]);
});

test("pooling leaves out what the mask leaves out; an empty text is 0", () => {
  const hidden = Float64Array.of(1, 2, 3, 4, 5, 6);
  assert.deepEqual([...poolHidden(hidden, Uint8Array.of(0, 1, 1), "mean")], [4, 5]);
  assert.deepEqual([...poolHidden(hidden, Uint8Array.of(1, 1, 0), "last")], [3, 4]);
  assert.deepEqual([...poolHidden(hidden, Uint8Array.of(1, 1, 1), "cls")], [1, 2]);
  assert.deepEqual([...poolHidden(hidden, new Uint8Array(3), "mean")], [0, 0]);
  assert.deepEqual([...poolHidden(new Float64Array(0), new Uint8Array(0), "mean")], []);
});
