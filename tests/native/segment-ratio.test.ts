import assert from "node:assert/strict";
import { test } from "node:test";
import { segmentClipStats, segmentRatio, segmentRatioBackward } from "../../src/engine/ops/segment-ratio.js";
import { numbers } from "./check.js";

const near = (got: ArrayLike<number>, want: ArrayLike<number>, tolerance = 1e-14) => {
  assert.equal(got.length, want.length);
  for (let i = 0; i < want.length; i++) {
    assert.ok(
      Math.abs(got[i]! - want[i]!) <= tolerance * Math.max(1, Math.abs(want[i]!)),
      `${i}: ${got[i]} for ${want[i]}`,
    );
  }
};

const mask = Uint8Array.of(1, 1, 0, 1, 1, 1, 1);
const segments = Int32Array.of(7, 2_000_000_000, 7, 7, -1, 2_000_000_000, 0);
const logp = Float64Array.of(-1, -2, -3, -0.5, -1, -0.25, -4);
const old = Float64Array.of(-1.5, -1, -9, -1, -7, -0.75, -4.5);

test("segmentRatio is the geometric mean of the counted actions' ratios, whatever the ids", () => {
  const a = Math.exp((0.5 + 0.5) / 2);
  const b = Math.exp((-1 + 0.5) / 2);
  const { ratio, logRatio, count } = segmentRatio(logp, old, mask, segments);
  near(ratio, [a, b, 1, a, 1, b, Math.exp(0.5)]);
  near(logRatio, [0.5, -0.25, 0, 0.5, 0, -0.25, 0.5]);
  assert.deepEqual([...count], [2, 2, 0, 2, 0, 2, 1]);
});

test("segmentRatio without the mean is the product, and the cap bounds the log ratio and stops the gradient", () => {
  const options = { mean: false, logRatioCap: 0.75 };
  const ratios = segmentRatio(logp, old, mask, segments, options);
  near(ratios.logRatio, [0.75, -0.5, 0, 0.75, 0, -0.5, 0.5]);
  const dlogp = segmentRatioBackward(new Float64Array(7).fill(1), ratios, mask, segments, options);
  near(dlogp, [0, 2 * Math.exp(-0.5), 0, 0, 0, 2 * Math.exp(-0.5), Math.exp(0.5)]);
});

test("segmentRatio with one action per segment is PPO's ratio, and exactly 1 where nothing changed", () => {
  const own = Int32Array.from({ length: 7 }, (_, t) => t);
  const all = new Uint8Array(7).fill(1);
  near(
    segmentRatio(logp, old, all, own).ratio,
    logp.map((x, t) => Math.exp(x - old[t]!)),
  );
  assert.deepEqual([...segmentRatio(logp, logp, all, own).ratio], [1, 1, 1, 1, 1, 1, 1]);
});

test("segmentRatioBackward agrees with central differences", () => {
  const n = 41;
  const lp = numbers(n, 1).map((x) => 0.1 * x);
  const base = numbers(n, 2).map((x) => 0.1 * x);
  const weight = numbers(n, 3);
  const counted = Uint8Array.from({ length: n }, (_, t) => (t % 5 === 3 ? 0 : 1));
  const ids = Int32Array.from({ length: n }, (_, t) => ((t * t) % 7) - 1);
  for (const options of [{}, { mean: false }, { logRatioCap: 0.01 }]) {
    const loss = () => segmentRatio(lp, base, counted, ids, options).ratio.reduce((s, r, t) => s + r * weight[t]!, 0);
    const dlogp = segmentRatioBackward(weight, segmentRatio(lp, base, counted, ids, options), counted, ids, options);
    for (let t = 0; t < n; t++) {
      const kept = lp[t]!;
      lp[t] = kept + 1e-5;
      const up = loss();
      lp[t] = kept - 1e-5;
      const down = loss();
      lp[t] = kept;
      near([dlogp[t]!], [(up - down) / 2e-5], 1e-8);
    }
  }
});

test("segmentClipStats counts binding clips over actions and over segments", () => {
  const { ratio } = segmentRatio(logp, old, mask, segments);
  const advantage = Float64Array.of(1, -1, 1, 1, 5, -1, -1);
  assert.deepEqual(segmentClipStats(ratio, mask, segments, advantage, 0.2, 0.2), {
    actions: { low: 2, high: 2, total: 5 },
    segments: { low: 1, high: 1, total: 3 },
  });
});

test("segmentRatio takes empty arrays and refuses arrays of different lengths", () => {
  const empty = new Float64Array(0);
  assert.equal(segmentRatio(empty, empty, new Uint8Array(0), new Int32Array(0)).ratio.length, 0);
  assert.throws(() => segmentRatio(logp, old.slice(1), mask, segments), {
    code: "GRPO_SHAPE",
    message: "segmentRatio: old has 6 elements, expected 7",
  });
});
