import assert from "node:assert/strict";
import { test } from "node:test";
import { rewardsSchema } from "../../src/config/schema/rewards.js";
import { rewardsIn, samplesOf, training } from "./rewards-samples.js";

test("exact compares with the answer of the data row, white space at the ends aside", async (t) => {
  const set = await rewardsIn(t, [
    { name: "plain", kind: "exact", answer: "{answer}" },
    { name: "strict", kind: "exact", answer: "{answer}", strip: false },
    { name: "last", kind: "exact", answer: "{answer}", extract: "(\\d+)" },
    { name: "brace", kind: "exact", answer: "{{{answer}}}" },
  ]);
  const { components } = await set.score(samplesOf(["4", " 4\n", "5 or 4", "4 or 5", "{4}"]), training);
  assert.deepEqual(components, {
    plain: [1, 1, 0, 0, 0],
    strict: [1, 0, 0, 0, 0],
    last: [1, 1, 1, 0, 1],
    brace: [0, 0, 0, 0, 1],
  });
});

test("exact can ignore case, does not apply to a null answer, and names a column that is not there", async (t) => {
  const set = await rewardsIn(t, [{ name: "a", kind: "exact", answer: "{answer}", ignore_case: true }]);
  const ofAnswer = (answer: unknown) => samplesOf(["yes"], { record: { answer } });
  assert.deepEqual((await set.score(ofAnswer("YES"), training)).components.a, [1]);
  const none = await set.score(ofAnswer(null), training);
  assert.deepEqual(none.components.a, [null]);
  assert.ok(Number.isNaN(none.total[0]));
  await assert.rejects(set.score(samplesOf(["x"], { record: { question: 1 } }), training), {
    message: 'reward "a": the data row has no column "answer"; it has: question',
    exitCode: 4,
  });
});

test("regex scores a match, or a match whose group is the answer", async (t) => {
  const set = await rewardsIn(t, [
    { name: "found", kind: "regex", pattern: "answer is" },
    { name: "right", kind: "regex", pattern: "answer is (\\d+)", answer: "{answer}", ignore_case: true },
    { name: "named", kind: "regex", pattern: "=(?<v>\\d+)", answer: "{answer}", group: "v" },
  ]);
  const { components } = await set.score(
    samplesOf(["the answer is 4", "The Answer is 4", "answer is 5", "=4"]),
    training,
  );
  assert.deepEqual(components, { found: [1, 0, 1, 0], right: [1, 1, 0, 0], named: [0, 0, 0, 1] });
});

test("format wants the tags in order, once each, with white space alone between", async (t) => {
  const set = await rewardsIn(t, [
    { name: "whole", kind: "format", tags: ["think", "answer"] },
    { name: "part", kind: "format", tags: ["think", "answer"], partial: true },
    { name: "form", kind: "format", pattern: "<think>.*</think>.+" },
  ]);
  const completions = [
    "<think>a\nb</think>\n<answer>4</answer>\n",
    "<think>a</think> so <answer>4</answer>",
    "<think>a</think><answer>4",
    "<answer>4</answer><think>a</think>",
    "<think>a<think>b</think><answer>4</answer>",
    "",
  ];
  const { components } = await set.score(samplesOf(completions), training);
  assert.deepEqual(components, {
    whole: [1, 0, 0, 0, 0, 0],
    part: [1, 1, 0.75, 0.5, 0.75, 0],
    form: [1, 1, 1, 0, 1, 0],
  });
});

test("length is 1 inside [min, max] and falls linearly over the margin", async (t) => {
  const set = await rewardsIn(t, [
    { name: "target", kind: "length", target: 4 },
    { name: "hard", kind: "length", min: 2, max: 4, unit: "characters" },
    { name: "soft", kind: "length", max: 2, margin: 4 },
    { name: "words", kind: "length", min: 2, unit: "words" },
  ]);
  const { components } = await set.score(samplesOf(["", "a", "a b", "abcd", "abcdef", "abcdefgh"]), training);
  assert.deepEqual(components, {
    target: [0, 0.25, 0.75, 1, 0.5, 0],
    hard: [0, 0, 1, 1, 0, 0],
    soft: [1, 1, 0.75, 0.5, 0, 0],
    words: [0, 0, 1, 0, 0, 0],
  });
});

test("the total is the weighted sum over the components that apply", async (t) => {
  const set = await rewardsIn(t, [
    { name: "short", kind: "length", max: 1, weight: 0.5 },
    { name: "right", kind: "exact", answer: "{answer}", weight: 2, when: 'record.kind == "math"' },
    { name: "both", kind: "regex", pattern: ".", weight: -1, when: "rewards.short == 1 && !(rewards.right == 0)" },
  ]);
  const math = samplesOf(["4", "5", "44"], { record: { answer: "4", kind: "math" } });
  const other = samplesOf(["4", "44"], { record: {}, group: 1 });
  const { components, total } = await set.score([...math, ...other], training);
  assert.deepEqual(components, {
    short: [1, 1, 0, 1, 0],
    right: [1, 0, 0, null, null],
    both: [1, null, null, 1, null],
  });
  assert.deepEqual([...total], [0.5 + 2 - 1, 0.5, 0, 0.5 - 1, 0]);
});

test("a condition that cannot be read is a config error that shows it", async (t) => {
  const spec = (when: string) => [{ name: "a", kind: "length", max: 1, when }];
  await assert.rejects(rewardsIn(t, spec("record.kind = 3")), {
    message: 'reward "a": when: cannot read `record.kind = 3`: "=" is out of place',
    exitCode: 3,
  });
  await assert.rejects(rewardsIn(t, spec("answer == 3")), {
    message:
      'reward "a": when: cannot read `answer == 3`: "answer" is not known; there are: record, rewards, prompt, completion, finish, group, sample',
  });
  await assert.rejects(rewardsIn(t, spec("finish == ")), {
    message: 'reward "a": when: cannot read `finish == `: it ends too early',
  });
});

test("conditions know precedence, lists, order and missing columns", async (t) => {
  const sample = samplesOf(["abc"], { record: { n: 3, tags: ["x"], text: "hello" } });
  const holds = async (when: string) => {
    const set = await rewardsIn(t, [{ name: "a", kind: "length", min: 0, when }]);
    return (await set.score(sample, training)).components.a![0] === 1;
  };
  for (const when of [
    "record.n == 3",
    "record.n >= 3 && record.n < 4 || false",
    "false && false || true",
    "true || false && false",
    "!record.missing",
    "record.missing == null",
    "record.n in [1, 2, 3]",
    "'x' in record.tags",
    "'ell' in record.text",
    "-record.n == -3",
    'finish != "length"',
    "!(record.n > 3)",
  ]) {
    assert.equal(await holds(when), true, when);
  }
  for (const when of ["record.n != 3", "record.missing > 0", "record.n in []", "record.text < 3"]) {
    assert.equal(await holds(when), false, when);
  }
});

test("rewards that wait for each other are refused", async (t) => {
  const circle = [
    { name: "a", kind: "length", max: 1, when: "rewards.b == 1" },
    { name: "b", kind: "length", max: 1, when: "rewards.a == 1" },
  ];
  await assert.rejects(rewardsIn(t, circle), {
    message: "rewards: a, b: each waits for another, or for one that is not there",
    exitCode: 3,
  });
});

test("the schema refuses two rewards of one name, unknown needs, and forms that say nothing or too much", () => {
  const messages = (specs: unknown[]) =>
    rewardsSchema.safeParse(specs).error?.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  const a = { name: "a", kind: "length", max: 1 };
  assert.deepEqual(messages([a, a]), ['1.name: a reward named "a" is there already']);
  assert.deepEqual(messages([{ name: "b", kind: "module", module: "m.mjs", needs: ["c"] }]), [
    '0.needs.0: no reward is named "c"; there are: b',
  ]);
  assert.deepEqual(messages([{ name: "a", kind: "length" }]), [
    "0.target: a length reward takes either `target`, or `min` and `max`",
  ]);
  assert.deepEqual(messages([{ name: "a", kind: "format", tags: ["t"], pattern: "x" }]), [
    "0.tags: a format reward takes either `tags` or `pattern`",
  ]);
  assert.match(messages([{ name: "a", kind: "regex", pattern: "(" }])![0]!, /^0\.pattern: not a regular expression: /);
  assert.equal(messages([a]), undefined);
});

test("temporal_iou compares the stretches of time that completion and row name", async (t) => {
  const set = await rewardsIn(t, [
    { name: "iou", kind: "temporal_iou", answer: "{answer}" },
    { name: "whole", kind: "temporal_iou", answer: "{answer}", tag: null },
  ]);
  const completions = [
    "<answer>from 10 to 30 seconds</answer>",
    "<answer>0:20-0:40</answer>",
    "<answer>1-2</answer> no: <answer>[[10, 15], [25.5, 30]]</answer>",
    "10 s until 30 s",
    "<answer>never</answer>",
  ];
  const { components } = await set.score(samplesOf(completions, { record: { answer: [[10, 30]] } }), training);
  assert.deepEqual(components.iou, [1, 10 / 30, 9.5 / 20, 0, 0]);
  assert.equal(components.whole![3], 1);
  const none = await set.score(samplesOf(completions.slice(0, 1), { record: { answer: [] } }), training);
  assert.deepEqual(none.components.iou, [null]);
});
