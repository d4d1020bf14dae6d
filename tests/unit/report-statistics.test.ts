import assert from "node:assert/strict";
import { test } from "node:test";
import { evaluation, meanOverPrompts, passAtK, wilson } from "../../src/report/statistics.js";

const near = (got: number, want: number) => assert.ok(Math.abs(got - want) < 1e-9, `${got} is not ${want}`);

test("the Wilson interval solves (p - c)^2 = z^2 c (1 - c) / n at both ends", () => {
  for (const [successes, n] of [
    [0, 10],
    [1, 7],
    [50, 100],
    [999, 1000],
    [3, 3],
  ] as const) {
    const { value, low, high } = wilson(successes, n);
    near(value, successes / n);
    for (const end of [low, high]) near((value - end) ** 2, (1.959963984540054 ** 2 * end * (1 - end)) / n);
    assert.ok(low >= 0 && low <= value && value <= high && high <= 1);
  }
  assert.ok(Number.isNaN(wilson(0, 0).value));
});

test("passAtK is the share of k-subsets with a right sample", () => {
  const choose = (n: number, k: number): number => (k === 0 ? 1 : k > n ? 0 : choose(n - 1, k - 1) + choose(n - 1, k));
  for (let n = 1; n <= 8; n++) {
    for (let c = 0; c <= n; c++) {
      for (let k = 1; k <= n; k++) near(passAtK(n, c, k), 1 - choose(n - c, k) / choose(n, k));
    }
  }
  assert.ok(Number.isNaN(passAtK(4, 2, 5)));
  near(passAtK(10000, 1, 5000), 0.5);
});

test("meanOverPrompts takes the prompt as the unit and knows nothing from one", () => {
  const { value, low, high } = meanOverPrompts([0, 1, 1, 0]);
  near(value, 0.5);
  near(high - value, 1.959963984540054 * Math.sqrt(1 / 3 / 4));
  near(value - low, high - value);
  assert.ok(Number.isNaN(meanOverPrompts([1]).low));
});

test("an evaluation gives avg@k and pass@k with intervals inside [0, 1]", () => {
  const single = evaluation([[true], [false], [true], [true]]);
  assert.deepEqual(single.average, wilson(3, 4));
  assert.deepEqual([...single.pass.keys()], [1]);
  const many = evaluation([
    [true, true, true, true],
    [true, false, false, false],
    [false, false, false, false, false],
  ]);
  near(many.average.value, 1.25 / 3);
  assert.deepEqual([...many.pass.keys()], [1, 2, 4]);
  near(many.pass.get(2)!.value, (1 + 0.5 + 0) / 3);
  near(many.pass.get(4)!.value, 2 / 3);
  assert.equal(many.pass.get(4)!.high, 1);
  assert.equal(evaluation([]).pass.size, 0);
  const never = evaluation(Array.from({ length: 10 }, () => [false, false]));
  assert.deepEqual(never.average, wilson(0, 10));
  assert.deepEqual(never.pass.get(2), wilson(0, 10));
});
