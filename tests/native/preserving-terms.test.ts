import assert from "node:assert/strict";
import { test } from "node:test";
import { makeObjective } from "../../src/algorithms/objective/registry.js";
import { emptyTally, metricValues } from "../../src/algorithms/tally.js";
import type { Objective } from "../../src/algorithms/types.js";
import { objectiveSchema } from "../../src/config/schema/objective.js";
import { type Batch, randomBatch, randomNumbers } from "../random-rows.js";

type Options = Record<string, unknown>;

const make = (...terms: Options[]): Objective =>
  makeObjective(objectiveSchema.parse({ terms }), { maxCompletionTokens: 10 });

/** A batch in which some rows are correct, with a teacher and answer spans. */
function batchOf(seed: number): Batch {
  const random = randomNumbers(seed + 1000);
  const batch = randomBatch(seed);
  for (const row of batch.rows) {
    row.reward = random() < 0.3 ? 1 : 0;
    row.teacher = row.old!.map((value) => value + random() - 0.5);
    row.spans.answer = Int32Array.from({ length: row.length }, () => (random() < 0.4 ? 0 : -1));
    row.text = "<search>a</search>".repeat(Math.floor(random() * 4));
  }
  return batch;
}

function evaluate(objective: Objective, { rows, current }: Batch) {
  const tally = emptyTally();
  const gradients = objective.rows([...rows.keys()], current, objective.prepare(rows, null), tally);
  return { loss: tally.loss, gradients: gradients.map(({ dlogp }) => dlogp), metrics: metricValues(tally) };
}

/** Checks d loss / d logp of every action by central differences. */
function assertGradients(options: Options, batch: Batch): void {
  const { gradients } = evaluate(make(options), batch);
  const h = 1e-6;
  batch.current.forEach(({ logp }, i) => {
    logp.forEach((value, t) => {
      const at = (x: number) => {
        logp[t] = x;
        return evaluate(make(options), batch).loss;
      };
      const numeric = (at(value + h) - at(value - h)) / (2 * h);
      logp[t] = value;
      assert.ok(
        Math.abs(gradients[i]![t]! - numeric) < 1e-7,
        `${JSON.stringify(options)}: ${gradients[i]![t]} ${numeric}`,
      );
    });
  });
}

const distill = (options: Options) => ({ kind: "distill", coefficient: 0.3, ...options });
const preserve = (options: Options) => ({ kind: "likelihood_preserve", ...options });

test("the gradients of distillation and of likelihood preservation are those of their losses", () => {
  let seed = 0;
  for (const estimator of ["k1", "k2", "k3"]) {
    for (const mask of ["none", "response", "group"]) assertGradients(distill({ estimator, mask }), batchOf(seed++));
  }
  assertGradients(distill({ mode: { sequential: 5 }, mask_end: true }), batchOf(seed++));
  for (const gate of ["action", "response", "token"]) {
    assertGradients(preserve({ gate, answer_coefficient: 0.05, adaptive: true }), batchOf(seed++));
  }
});

test("in the additive mode the teacher shifts advantages, and no gradient flows through the shift", () => {
  const batch = batchOf(20);
  const { gradients, metrics } = evaluate(make(distill({ mode: "additive" })), batch);
  const shifted = batch.rows.map((row, i) => ({
    ...row,
    advantage: row.advantage!.map((A, t) => A + 0.3 * (row.teacher![t]! - batch.current[i]!.logp[t]!)),
  }));
  assert.deepEqual(gradients, evaluate(make(), { rows: shifted, current: batch.current }).gradients);
  assert.ok(metrics["distill/sign_flips"]! > 0);
});

test("a weight of 0, a teacher equal to the student, and masks without wrong rows leave GRPO as it is", () => {
  const batch = batchOf(21);
  const plain = evaluate(make(), batch).gradients;
  assert.deepEqual(evaluate(make(distill({ coefficient: 0 })), batch).gradients, plain);
  assert.deepEqual(evaluate(make(preserve({ coefficient: 0 })), batch).gradients, plain);
  const equal = { ...batch, rows: batch.rows.map((row, i) => ({ ...row, teacher: batch.current[i]!.logp })) };
  for (const estimator of ["k2", "k3"]) {
    assert.deepEqual(evaluate(make(distill({ estimator })), equal).gradients, plain);
  }
  const correct = { ...batch, rows: batch.rows.map((row) => ({ ...row, reward: 1 })) };
  for (const mask of ["response", "group"]) {
    assert.deepEqual(evaluate(make(distill({ mask })), correct).gradients, plain);
  }
});

test("the sequential mode runs the teacher alone, then the policy loss alone, and its place survives a resume", () => {
  const batch = batchOf(22);
  const options = distill({ mode: { sequential: 2 } });
  const first = make(options);
  const alone = evaluate(first, batch);
  const silent = { ...batch, rows: batch.rows.map((row) => ({ ...row, advantage: new Float64Array(row.length) })) };
  assert.deepEqual(alone.gradients, evaluate(make(distill({})), silent).gradients);
  first.stateful[0]!.observe!({}, 12);
  const resumed = make(options);
  resumed.stateful[0]!.loadState(JSON.parse(JSON.stringify(first.stateful[0]!.saveState())));
  resumed.stateful[0]!.observe!({}, 12);
  assert.deepEqual(evaluate(resumed, batch).gradients, evaluate(make(), batch).gradients);
});

test("a scheduled coefficient follows the optimizer updates", () => {
  const batch = batchOf(23);
  const objective = make(distill({ coefficient: { kind: "linear", start: 0.4, end: 0.2, steps: 4 } }));
  const seen = Array.from({ length: 6 }, () => {
    const { metrics } = evaluate(objective, batch);
    objective.stateful[0]!.observe!(metrics, 12);
    return Math.round(metrics["distill/coefficient"]! * 1e6) / 1e6;
  });
  assert.deepEqual(seen, [0.4, 0.35, 0.3, 0.25, 0.2, 0.2]);
});

test("the hand examples: k2 pulls with beta d, the action gate opens on the first run only, the response gate stays shut", () => {
  const one = batchOf(24);
  const row = { ...one.rows[0]!, length: 5, advantage: new Float64Array(5).fill(0.5), spans: {} };
  const delta = [0.3, -0.1, 0.7, -0.4, 0.1];
  const old = new Float64Array(5).fill(-1);
  const batch = (mask: number[]): Batch => ({
    rows: [{ ...row, mask: Uint8Array.from(mask), old, teacher: Float64Array.from(delta, (d) => -1 - d + 0.5) }],
    current: [{ ...one.current[0]!, logp: Float64Array.from(delta, (d) => -1 - d) }],
  });
  const step = (options: Options, mask: number[]) => {
    const [plain, with_] = [evaluate(make(), batch(mask)), evaluate(make(options), batch(mask))];
    return { loss: with_.loss - plain.loss, gradient: with_.gradients[0]!.map((g, t) => g - plain.gradients[0]![t]!) };
  };
  const near = (got: ArrayLike<number>, want: number[]) => {
    for (const [t, value] of want.entries()) assert.ok(Math.abs(got[t]! - value) < 1e-12);
  };
  const action = step(preserve({}), [1, 1, 0, 1, 1]);
  near([action.loss], [0.015]);
  near(action.gradient, [-0.05, 0, 0, 0, 0]);
  near([step(preserve({ gate: "response" }), [1, 1, 0, 1, 1]).loss], [0]);
  const k2 = step(distill({ coefficient: 0.002 }), [1, 0, 0, 0, 0]);
  near([k2.loss], [0.002 * 0.125]);
  near(k2.gradient, [-0.001, 0, 0, 0, 0]);
});

test("preservation never pushes a likelihood down, is 0 on-policy and on negative advantages", () => {
  const batch = batchOf(25);
  const plain = evaluate(make(), batch).gradients;
  for (const gate of ["action", "response", "token"]) {
    const { gradients } = evaluate(make(preserve({ gate, coefficient: 5 })), batch);
    gradients.forEach((values, i) => {
      values.forEach((value, t) => {
        assert.ok(value <= plain[i]![t]!);
        if (batch.rows[i]!.advantage![t]! < 0) assert.equal(value, plain[i]![t]);
      });
    });
    const still = { ...batch, current: batch.rows.map((row, i) => ({ ...batch.current[i]!, logp: row.old! })) };
    assert.equal(evaluate(make(preserve({ gate })), still).loss, evaluate(make(), still).loss);
  }
});

test("the answer's own weight falls on the last tagged answer, found at loss time", () => {
  const { rows, current } = batchOf(26);
  const old = new Float64Array(3).fill(-1);
  const row = { ...rows[0]!, length: 3, mask: new Uint8Array(3).fill(1), old, advantage: new Float64Array(3).fill(1) };
  const logp = new Float64Array(3).fill(-1.5);
  const batch = (pieces: string[]): Batch => ({
    rows: [{ ...row, spans: {}, pieces }],
    current: [{ ...current[0]!, logp }],
  });
  const objective = () => make(preserve({ answer_coefficient: 0 }));
  assert.equal(objective().needs.pieces, true);
  const of = (pieces: string[]) => [...evaluate(objective(), batch(pieces)).gradients[0]!];
  const plain = evaluate(make(), batch([])).gradients[0]!;
  const added = of(["so ", "<answer>4</answer>", "."]).map((g, t) => Math.round((g - plain[t]!) * 1e9) / 1e9);
  assert.deepEqual(added, [-0.066666667, 0, -0.066666667]);
});

test("by itself, distillation spares the end of responses exactly where the teacher ends its own with other tokens", () => {
  const of = (mask_end: unknown, endsAlike: boolean) =>
    evaluate(
      makeObjective(objectiveSchema.parse({ terms: [distill({ mask_end })] }), {
        maxCompletionTokens: 10,
        endsAlike: (slot) => slot === "teacher" && endsAlike,
      }),
      batchOf(40),
    ).gradients;
  assert.deepEqual(of("auto", true), of(false, true));
  assert.deepEqual(of("auto", false), of(true, true));
  assert.notDeepEqual(of(true, true), of(false, true));
});

test("two parts may not ask for two models in one role", () => {
  assert.throws(
    () => make(distill({ model: "small" }), distill({ model: "large" })),
    /^GrpoError: two parts ask for a teacher model each: "small" and "large"$/,
  );
});
