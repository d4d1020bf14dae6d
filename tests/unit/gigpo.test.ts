import assert from "node:assert/strict";
import { test } from "node:test";
import { makeAdvantage } from "../../src/algorithms/advantage/registry.js";
import { stepGroups } from "../../src/algorithms/advantage/step-groups.js";
import { emptyTally, metricValues } from "../../src/algorithms/tally.js";
import { isSimilar, similarityRatio } from "../../src/algorithms/text-similarity.js";
import type { Row } from "../../src/algorithms/types.js";
import { advantageSchema } from "../../src/config/schema/advantage.js";
import { parseSearchAction, parseTextAction } from "../../src/rollout/environments/text-action.js";
import { row } from "../golden/adapter.js";
import { randomNumbers } from "../random-rows.js";

const near = (got: number, want: number, tolerance = 1e-9) => {
  assert.ok(Math.abs(got - want) <= tolerance, `${got}, expected ${want}`);
};

interface Visit {
  anchor?: string;
  reward?: number;
  valid?: boolean;
}

/** One row per trajectory, two actions per step, an observation token after each. */
function grown(reward: number, visits: Visit[], trajectory = 0, group = 0): Row {
  const steps = visits.map((visit, k) => ({ start: 3 * k, end: 3 * k + 2, meta: {}, ...visit }));
  const mask = Uint8Array.from({ length: 3 * visits.length }, (_, t) => (t % 3 === 2 ? 0 : 1));
  return row({ length: mask.length, mask, steps, reward, trajectory, group });
}

/** The same trajectory with a row for each step. */
function perStep(reward: number, visits: Visit[], trajectory = 0, group = 0): Row[] {
  return visits.map((visit) =>
    row({ length: 2, steps: [{ start: 0, end: 2, meta: {}, ...visit }], reward, trajectory, group }),
  );
}

function advantages(rows: Row[], options: object = {}) {
  const log = emptyTally();
  const values = makeAdvantage(advantageSchema.parse({ kind: "gigpo", ...options })).estimate(rows, log);
  return { values, metrics: metricValues(log) };
}

const worked = { gamma: 0.9, epsilon: 0 };

test("the worked example comes out, with a row per step and with a row per trajectory", () => {
  const first = [
    { anchor: "a", reward: 0 },
    { anchor: "b", reward: 10 },
  ];
  const second = [{ anchor: "a", reward: 0 }];
  const want = [1 / Math.sqrt(3) + Math.SQRT1_2, 1 / Math.sqrt(3), -2 / Math.sqrt(3) - Math.SQRT1_2];
  const { values, metrics } = advantages([...perStep(10, first), ...perStep(0, second, 1)], worked);
  want.forEach((value, j) => {
    near(values[j]![0]!, value);
    near(values[j]![1]!, value);
  });
  const { values: joined } = advantages([grown(10, first), grown(0, second, 1)], worked);
  [want[0]!, want[0]!, 0, want[1]!, want[1]!, 0].forEach((value, t) => {
    near(joined[0]![t]!, value);
  });
  near(joined[1]![0]!, want[2]!);
  assert.equal(metrics["gigpo/step_group_size"], 1.5);
  assert.equal(metrics["gigpo/groups_of_1"], 0.5);
  assert.equal(metrics["gigpo/step_nonzero"], 2 / 3);
  assert.equal(metrics["gigpo/steps"], 1.5);
});

/** Random rows of one step each, in two groups; trajectories of one step. */
function bandit(seed: number, anchor: (i: number) => string | undefined): Row[] {
  const random = randomNumbers(seed);
  return Array.from({ length: 8 }, (_, i) => {
    const reward = random();
    const name = anchor(i);
    const visit = { reward, ...(name === undefined ? {} : { anchor: name }) };
    return perStep(reward, [visit], i, i < 4 ? 0 : 1)[0]!;
  });
}

test("without the step part, or where no state is met twice, it is GRPO over rows", () => {
  const grpo = (rows: Row[]) => makeAdvantage(advantageSchema.parse({})).estimate(rows);
  const same = bandit(71, () => "s");
  assert.deepEqual(advantages(same, { step_weight: 0 }).values, grpo(same));
  const distinct = bandit(72, String);
  assert.deepEqual(advantages(distinct).values, grpo(distinct));
  const nameless = bandit(73, () => undefined);
  assert.deepEqual(advantages(nameless).values, grpo(nameless));
});

test("one step each from one state: the advantage counts 1 + omega times", () => {
  const rows = bandit(74, () => "start");
  const episode = advantages(rows, { step_weight: 0 }).values;
  advantages(rows, { step_weight: 0.5 }).values.forEach((values, i) => {
    near(values[0]!, 1.5 * episode[i]![0]!);
  });
});

test("permuted rows give permuted advantages", () => {
  const rows = bandit(75, (i) => String(i % 3));
  const want = advantages(rows).values;
  advantages([...rows].reverse()).values.forEach((values, i) => {
    near(values[0]!, want[7 - i]![0]!, 1e-12);
  });
});

test("where everything succeeds the sooner is better with a discount, and no better without", () => {
  const quick = [{ anchor: "a", reward: 1 }];
  const slow = [
    { anchor: "a", reward: 0 },
    { anchor: "b", reward: 1 },
  ];
  const rows = () => [grown(1, quick), grown(1, slow, 1)];
  const { values } = advantages(rows());
  assert.ok(values[0]![0]! > 0 && values[1]![0]! < 0);
  assert.equal(values[1]![3], 0);
  assert.ok(advantages(rows(), { gamma: 1 }).values.every((array) => array.every((value) => value === 0)));
});

test("an invalid action pays in its outcome and in its return", () => {
  const visit = (valid: boolean) => [{ anchor: "a", reward: 0, valid }];
  const rows = () => [grown(0, visit(true)), grown(0, visit(false), 1)];
  const { values, metrics } = advantages(rows(), { scale: "none", invalid_penalty: 0.2 });
  near(values[0]![0]!, 0.2);
  near(values[1]![0]!, -0.2);
  assert.equal(metrics["gigpo/valid"], 0.5);
  assert.deepEqual(advantages(rows(), { invalid_penalty: 0 }).values[1]![0], 0);
});

test("statistics over trajectories do not let long ones weigh more", () => {
  const rows = () => [
    ...perStep(
      1,
      ["a", "b", "c"].map((anchor) => ({ anchor, reward: 0 })),
    ),
    ...perStep(0, [{ anchor: "d", reward: 0 }], 1),
  ];
  const of = (stats_over: string) => advantages(rows(), { scale: "none", stats_over }).values.map((v) => v[0]);
  assert.deepEqual(of("steps"), [0.25, 0.25, 0.25, -0.75]);
  assert.deepEqual(of("trajectories"), [0.5, 0.5, 0.5, -0.5]);
});

test("without step rewards the outcome is that of the last step; a lone step has mean 0 and deviation 1", () => {
  const outcome = [grown(1, [{ anchor: "a" }, { anchor: "b" }]), grown(0, [{ anchor: "a" }], 1)];
  const told = [grown(1, [{ anchor: "a" }, { anchor: "b", reward: 1 }]), grown(0, [{ anchor: "a", reward: 0 }], 1)];
  assert.deepEqual(advantages(outcome).values, advantages(told).values);
  near(advantages([grown(0.5, [{ anchor: "a" }])], { epsilon: 0 }).values[0]![0]!, 0.5);
});

test("states of different prompts are never compared; similar ones join the first they are like", () => {
  const visits = [
    { group: 0, anchor: "room 1" },
    { group: 1, anchor: "room 1" },
    { group: 0, anchor: "room 2" },
    { group: 0, anchor: undefined },
    { group: 0, anchor: "room 1" },
  ];
  assert.deepEqual(stepGroups(visits, null), [0, 1, 2, 3, 0]);
  assert.deepEqual(stepGroups(visits, 0.8), [0, 1, 0, 2, 0]);
});

test("the similarity is that of difflib: by code points, not symmetric, popular characters seed nothing", () => {
  assert.equal(similarityRatio("", ""), 1);
  assert.equal(similarityRatio("abcd", "bcde"), 0.75);
  assert.equal(similarityRatio("tide", "diet"), 0.25);
  assert.equal(similarityRatio("diet", "tide"), 0.5);
  assert.equal(similarityRatio("😀a", "😀b"), 0.5);
  const long = "ab".repeat(100);
  assert.equal(similarityRatio(`x${long}`, `y${long}`), 0);
  assert.equal(isSimilar("a", "aaaaaaaaaa", 0.5), false);
});

test("an action must stand in its tags, after some reasoning; else the tail goes to the environment", () => {
  const good = "<think>Go</think><ACTION> Open Door </ACTION>";
  assert.deepEqual(parseTextAction(good, 30), { action: "open door", valid: true });
  assert.deepEqual(parseTextAction("<action>look</action>", 30), { action: "look", valid: false });
  assert.deepEqual(parseTextAction("LOOK around 😀", 8), { action: "around 😀", valid: false });
  assert.deepEqual(parseTextAction("<think>看</think><action>look</action>", 30), { action: "look", valid: false });
});

test("a search task takes one search or one answer", () => {
  assert.deepEqual(parseSearchAction("<search> a </search> b"), { action: "<search>a</search>", valid: true });
  assert.deepEqual(parseSearchAction("<answer>a\nb</answer>"), { action: "<answer>a\nb</answer>", valid: true });
  assert.equal(parseSearchAction("<search>a</search><answer>b</answer>").valid, false);
  assert.equal(parseSearchAction("<search>a</search><search>b</search>").valid, false);
  assert.deepEqual(parseSearchAction("nothing"), { action: "", valid: false });
});
