import assert from "node:assert/strict";
import { test } from "node:test";
import { makeAdvantage } from "../../src/algorithms/advantage/registry.js";
import { greedyCoreset } from "../../src/algorithms/coreset.js";
import { ellipticalBonus, normalizeBonus } from "../../src/algorithms/elliptical.js";
import { emptyMemory, persistentBonus } from "../../src/algorithms/feature-memory.js";
import { addOuter, quadratic, ridgeInverse } from "../../src/algorithms/ridge-inverse.js";
import { EllipticalShaper } from "../../src/algorithms/shape/elliptical.js";
import { makeShapers } from "../../src/algorithms/shape/registry.js";
import { sparseProjection } from "../../src/algorithms/sparse-projection.js";
import { emptyTally, metricValues } from "../../src/algorithms/tally.js";
import type { Row } from "../../src/algorithms/types.js";
import { advantageSchema } from "../../src/config/schema/advantage.js";
import { shapeSchema } from "../../src/config/schema/shape.js";
import { row } from "../golden/adapter.js";
import { randomNumbers } from "../random-rows.js";
import { mistakes } from "./config-files.js";

const near = (got: number, want: number, tolerance = 1e-12) => {
  assert.ok(Math.abs(got - want) <= tolerance, `${got}, expected ${want}`);
};

function vectors(count: number, size: number, seed: number): Float64Array[] {
  const random = randomNumbers(seed);
  return Array.from({ length: count }, () => Float64Array.from({ length: size }, () => 2 * random() - 1));
}

test("the worked example comes out, and leave-one-out is l / (1 - l)", () => {
  const z = [0, 0, 3].map((value) => Float64Array.of(value));
  const leverage = ellipticalBonus(z, 0.01, "leverage");
  [1 / 6.01, 1 / 6.01, 4 / 6.01].forEach((want, i) => {
    near(leverage[i]!, want);
  });
  ellipticalBonus(z, 0.01, "leave_one_out").forEach((value, i) => {
    near(value, leverage[i]! / (1 - leverage[i]!));
  });
});

test("an inverse built one vector at a time is the inverse", () => {
  const z = vectors(6, 4, 61);
  const inverse = ridgeInverse(4, 0.5);
  for (const v of z) addOuter(inverse, v);
  const matrix = Float64Array.from({ length: 16 }, (_, i) => {
    const [a, b] = [Math.floor(i / 4), i % 4];
    return (a === b ? 0.5 : 0) + z.reduce((sum, v) => sum + v[a]! * v[b]!, 0);
  });
  for (let a = 0; a < 4; a++) {
    for (let b = 0; b < 4; b++) {
      let product = 0;
      for (let c = 0; c < 4; c++) product += matrix[a * 4 + c]! * inverse[c * 4 + b]!;
      near(product, a === b ? 1 : 0, 1e-9);
    }
  }
});

test("a bonus follows its member, ignores a common shift, and all of them sum to at most the rank", () => {
  const z = vectors(5, 3, 62);
  const bonus = ellipticalBonus(z, 0.01, "leverage");
  ellipticalBonus([...z].reverse(), 0.01, "leverage").forEach((value, i) => {
    near(value, bonus[4 - i]!);
  });
  ellipticalBonus(
    z.map((v) => v.map((value, c) => value + 10 * c)),
    0.01,
    "leverage",
  ).forEach((value, i) => {
    near(value, bonus[i]!, 1e-9);
  });
  assert.ok(bonus.reduce((a, b) => a + b, 0) <= 3);
});

test("identical and single responses have no bonus; an empty one counts as 0 but not in the mean", () => {
  const same = vectors(1, 3, 63)[0]!;
  assert.deepEqual(ellipticalBonus([same, same, same], 0.01, "leverage"), [0, 0, 0]);
  assert.deepEqual(ellipticalBonus([same], 0.01, "leverage"), [0]);
  const [a, b, empty] = ellipticalBonus([Float64Array.of(1), Float64Array.of(3), null], 1, "leverage");
  // Mean 2: centred -1, 1 and -2; Sigma = 1 + 1 + 1 + 4.
  [1 / 7, 1 / 7, 4 / 7].forEach((want, i) => {
    near([a, b, empty][i]!, want);
  });
  assert.deepEqual(ellipticalBonus([null, null], 1, "leverage"), [0, 0]);
});

test("normalising by a deviation of 0 or of a single bonus divides nothing", () => {
  assert.deepEqual(normalizeBonus([2, 2], "rnd"), [2, 2]);
  assert.deepEqual(normalizeBonus([2, 2], "z_score"), [0, 0]);
  assert.deepEqual(normalizeBonus([2], "rnd"), [2]);
  near(normalizeBonus([1, 3], "z_score")[0]!, -Math.SQRT1_2);
});

test("a memory measures against the covariance of all features ever seen, whatever the visits", () => {
  const z = vectors(6, 3, 64);
  const [once, twice] = [emptyMemory(3, 0.5), emptyMemory(3, 0.5)];
  const whole = persistentBonus(z, once);
  persistentBonus(z.slice(0, 4), twice);
  const last = persistentBonus(z.slice(4), twice);
  near(last[0]!, whole[4]!);
  near(last[1]!, whole[5]!);
  // A second way: centre first, then the ridge.
  const inverse = ridgeInverse(3, 0.5);
  for (const v of z)
    addOuter(
      inverse,
      v.map((value, c) => value - once.mean[c]!),
    );
  near(
    quadratic(
      inverse,
      z[0]!.map((value, c) => value - once.mean[c]!),
    ),
    whole[0]!,
  );
});

test("a coreset repeats no index, its scores never rise, and it takes the longest vector first", () => {
  const z = vectors(12, 4, 65);
  const { selected, scores } = greedyCoreset(z, 20, 0.1);
  assert.deepEqual(
    [...selected].sort((a, b) => a - b),
    [...z.keys()],
  );
  scores.slice(1).forEach((score, i) => {
    assert.ok(score <= scores[i]! + 1e-12);
  });
  const lengths = z.map((v) => v.reduce((sum, value) => sum + value * value, 0));
  assert.equal(selected[0], lengths.indexOf(Math.max(...lengths)));
  const equal = [Float64Array.of(1, 0), Float64Array.of(0, 1), Float64Array.of(1, 0)];
  assert.deepEqual(greedyCoreset(equal, 2, 1).selected, [0, 1]);
});

test("a sparse projection keeps lengths on average, with about one entry in sqrt(d)", () => {
  const random = randomNumbers(66);
  const entries = sparseProjection(400, 50, () => Math.floor(random() * 2 ** 32));
  assert.ok(Math.abs(entries.length / (400 * 50) - 1 / 20) < 0.005);
  assert.ok(entries.every(([, , value]) => Math.abs(Math.abs(value) - Math.sqrt(20 / 50)) < 1e-15));
  // E |z|^2 = |h|^2 for h = all ones: each entry adds its square.
  near(entries.reduce((sum, [, , value]) => sum + value * value, 0) / 400, 1, 0.1);
});

const rowsOf = (rewards: number[], seed = 67): Row[] =>
  vectors(rewards.length, 6, seed).map((hidden, i) =>
    row({ length: 1, reward: rewards[i]!, hidden, record: { id: "p" } }),
  );
const words = (_: number, i: number, j: number) => Math.imul(i * 31 + j + 1, 2654435761) >>> 0;

function shape(rows: Row[], options: object) {
  const log = emptyTally();
  for (const shaper of makeShapers(shapeSchema.parse([{ kind: "elliptical", dim: 4, ...options }]))) {
    shaper.shape(rows, log, words);
  }
  return { rewards: rows.map(({ reward }) => reward), metrics: metricValues(log) };
}

test("with beta 0 the rewards stay; without a correct row there is no bonus; wrong rows can be left out", () => {
  assert.deepEqual(shape(rowsOf([1, 0, 1]), { beta: 0 }).rewards, [1, 0, 1]);
  assert.deepEqual(shape(rowsOf([0, 0, 0]), {}).rewards, [0, 0, 0]);
  const { rewards, metrics } = shape(rowsOf([1, 0, 1]), { gate: { wrong: true } });
  assert.ok(rewards[0]! > 1 && rewards[2]! > 1);
  assert.equal(rewards[1], 0);
  assert.equal(metrics["elliptical/none_correct"], 0);
  assert.ok(metrics["elliptical/bonus_min"]! <= metrics["elliptical/bonus"]!);
  assert.deepEqual(shape(rowsOf([1, 1]), { gate: { all_correct: true } }).rewards, [1, 1]);
  assert.deepEqual(shape(rowsOf([1, 0]), { gate: { some_correct: true } }).rewards, [1, 0]);
});

test("in a group of correct rows the size of beta hardly matters to the advantage", () => {
  const advantages = (beta: number) => {
    const rows = rowsOf([1, 1, 1, 1]);
    shape(rows, { beta, lambda: 1 });
    return makeAdvantage(advantageSchema.parse({})).estimate(rows);
  };
  const large = advantages(1);
  advantages(0.01).forEach((values, i) => {
    near(values[0]!, large[i]![0]!, 1e-3);
  });
});

test("a persistent bonus goes on after saving and loading as if nothing had happened", () => {
  const config = shapeSchema.parse([{ kind: "elliptical", dim: 4, persist: "id", reproject: false }])[0];
  const make = () => new EllipticalShaper(config as ConstructorParameters<typeof EllipticalShaper>[0]);
  const first = make();
  first.shape(rowsOf([1, 0, 1], 68), undefined, words);
  const resumed = make();
  resumed.loadState(JSON.parse(JSON.stringify(first.saveState())));
  const [a, b] = [rowsOf([1, 0, 1], 69), rowsOf([1, 0, 1], 69)];
  first.shape(a, undefined, words);
  // The projection is the first step's, whatever the words of this one.
  resumed.shape(b, undefined, () => 0);
  assert.deepEqual(
    b.map(({ reward }) => reward),
    a.map(({ reward }) => reward),
  );
});

test("the configuration says what does not go with persist, and which slots there are", () => {
  const text = (shape: string) => `data: {train: {path: rows.jsonl}}
rewards: [{name: right, kind: exact, answer: "{answer}"}]
model: {path: m}
shape: [${shape}]
`;
  assert.deepEqual(mistakes(text("{kind: elliptical, persist: id}")), [
    "run.yaml:4:9: shape.0.reproject: persist compares visits, which needs one projection; set it to false",
  ]);
  assert.deepEqual(mistakes(text("{kind: elliptical, model: base}")), [
    "run.yaml:4:35: shape.0.model: no model slot has this name; known are: reference",
  ]);
});
