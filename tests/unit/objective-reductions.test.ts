import assert from "node:assert/strict";
import { test } from "node:test";
import { evaluate } from "../evaluate-objective.js";
import { type Batch, randomBatch } from "../random-rows.js";

/** Asserts that two objectives move a batch alike. */
function sameGradients(one: Record<string, unknown>, other: Record<string, unknown>, batch: () => Batch): void {
  const [first, second] = [evaluate(one, batch()).gradients, evaluate(other, batch()).gradients];
  first.forEach(({ dlogp }, i) => {
    dlogp.forEach((value, t) => {
      const want = second[i]!.dlogp[t]!;
      assert.ok(Math.abs(value - want) <= 1e-14 * Math.max(1, Math.abs(want)), `row ${i}, action ${t}`);
    });
  });
  assert.ok(first.some(({ dlogp }) => dlogp.some((value) => value !== 0)));
}

const clips = { epsilon_low: 0.1, epsilon_high: 0.15 };

test("on the sampling policy every ratio objective has GRPO's gradient", () => {
  const onPolicy = () => {
    const batch = randomBatch(61);
    batch.current.forEach((said, i) => {
      said.logp = Float64Array.from(batch.rows[i]!.old!);
    });
    for (const row of batch.rows) row.rollout = row.old!;
    return batch;
  };
  for (const objective of [
    { level: "sequence" },
    { kind: "cispo" },
    { kind: "rec", weight: "ratio" },
    { kind: "rec" },
    { kind: "geometric_mean" },
    { kind: "reinforce" },
  ]) {
    sameGradients(objective, {}, onPolicy);
  }
});

test("rank ratios with one rank per row are sequence ratios", () => {
  const oneRank = () => {
    const batch = randomBatch(62);
    for (const row of batch.rows) row.spans = { rank: new Int32Array(row.length) };
    return batch;
  };
  sameGradients({ level: { span: "rank" }, ...clips }, { level: "sequence", ...clips }, oneRank);
});

test("REC with the one-sided mask and the ratio as weight is GRPO's clip", () => {
  const fresh = () => {
    const batch = randomBatch(63);
    for (const row of batch.rows) row.rollout = row.old!;
    return batch;
  };
  sameGradients({ kind: "rec", clip: "one_side", weight: "ratio", ...clips }, clips, fresh);
});

test("LLDS with coefficient 0 is the objective without it", () => {
  const terms = [{ kind: "likelihood_preserve", coefficient: 0 }];
  sameGradients({ terms }, {}, () => randomBatch(64));
});
