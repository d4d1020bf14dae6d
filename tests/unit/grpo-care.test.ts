import assert from "node:assert/strict";
import { test } from "node:test";
import { makeAdvantage } from "../../src/algorithms/advantage/registry.js";
import { answerMask } from "../../src/algorithms/answer-mask.js";
import { makeShapers } from "../../src/algorithms/shape/registry.js";
import { emptyTally, metricValues } from "../../src/algorithms/tally.js";
import { advantageSchema } from "../../src/config/schema/advantage.js";
import { shapeSchema } from "../../src/config/schema/shape.js";
import { typedAnswerReward } from "../../src/rewards/typed-answer.js";
import { row, sample } from "../golden/adapter.js";
import { mistakes } from "./config-files.js";

const pieces = ["<think>so", "</think>", "<answer>", "4", "2", "</answer>", ""];

/** A row whose answer tokens, and whose other tokens, have these probabilities under the reference. */
function answering(reward: number, answer: number, thinking = 0.5) {
  const reference = Float64Array.from([thinking, thinking, thinking, answer, answer, thinking, thinking], Math.log);
  return row({ length: pieces.length, pieces, reward, reference });
}

function shaped(rows: ReturnType<typeof answering>[], options: object = {}) {
  const log = emptyTally();
  for (const shaper of makeShapers(shapeSchema.parse([{ kind: "consistency", ...options }]))) shaper.shape(rows, log);
  return { rewards: rows.map(({ reward }) => reward), metrics: metricValues(log) };
}

const group = () => [answering(1, 0.9), answering(1, 0.6), answering(1, 0.8), answering(0, 0.95)];

test("right rows at least as confident as their mean get the bonus; the worked example comes out", () => {
  const { rewards, metrics } = shaped(group());
  assert.deepEqual(rewards, [1.5, 1, 1.5, 0]);
  assert.ok(Math.abs(metrics["consistency/threshold"]! - 2.3 / 3) < 1e-6);
  assert.equal(metrics["consistency/bonus_rate"], 0.5);
  assert.equal(metrics["consistency/selected"], 3);
  const withFormat = rewards.map((reward) => row({ length: 1, reward: reward + 1 }));
  withFormat[3]!.reward = 1;
  const got = makeAdvantage(advantageSchema.parse({ epsilon: 0 })).estimate(withFormat);
  got.forEach((values, i) => {
    assert.ok(Math.abs(values[0]! - [1, 0, 1, -2][i]! / Math.SQRT2) < 1e-12);
  });
});

test("a coefficient of 0 leaves the rewards alone", () => {
  assert.deepEqual(shaped(group(), { coefficient: 0 }).rewards, [1, 1, 1, 0]);
});

test("what the reference thinks of tokens outside the answer does not matter", () => {
  const other = [answering(1, 0.9, 0.01), answering(1, 0.6, 0.99), answering(1, 0.8, 0.3), answering(0, 0.95, 1)];
  assert.deepEqual(shaped(other), shaped(group()));
});

test("no right row, no bonus; a single right row always has it", () => {
  assert.deepEqual(shaped([answering(0, 0.9), answering(0, 0.2)]).rewards, [0, 0]);
  assert.deepEqual(shaped([answering(1, 0.1), answering(0, 0.9)]).rewards, [1.5, 0]);
});

test("groups are judged by themselves", () => {
  const rows = group().flatMap((one, i) => [one, { ...answering(1, 0.1), group: 1 + i }]);
  assert.deepEqual(
    shaped(rows).rewards.filter((_, i) => i % 2 === 0),
    [1.5, 1, 1.5, 0],
  );
});

test("the answer is the text of the last block: its tokens, without tags and end token", () => {
  const content = { tag: "answer", span: "content" } as const;
  assert.deepEqual([...answerMask(pieces, true, content)], [0, 0, 0, 1, 1, 0, 0]);
  assert.deepEqual([...answerMask(["<answer>1</answer>", "<answer>", "2"], false, content)], [0, 0, 1]);
  assert.deepEqual([...answerMask(["a", "</answer>"], false, content)], [0, 0]);
  assert.deepEqual([...answerMask(["<answer>1", "2</ans", "wer>x"], false, content)], [1, 1, 0]);
  // A token that holds the end of the tag and the start of the answer belongs to both.
  assert.deepEqual([...answerMask(["<answer", ">B", "</answer>"], false, content)], [0, 1, 0]);
});

test("the released rule takes what follows the tag's word, but for three tokens before the end", () => {
  const release = { tag: "answer", span: "release" } as const;
  const tokens = ["<", "answer", ">", "B", "</", "answer", ">", "EOS"];
  assert.deepEqual([...answerMask(tokens, true, release)], [0, 0, 1, 1, 0, 0, 0, 0]);
  assert.deepEqual([...answerMask(tokens.slice(0, 4), false, release)], [0, 0, 0, 0]);
});

test("answers are scored by the type of their question", () => {
  const score = typedAnswerReward({
    name: "a",
    weight: 1,
    kind: "typed_answer",
    answer: "{solution}",
    type: "{problem_type}",
    tag: "answer",
  });
  const of = (type: string, text: string, solution: string) =>
    score(sample(`<answer> ${text} </answer>`, { problem_type: type, solution }));
  assert.equal(of("multiple choice", "B", "<answer>B</answer>"), 1);
  assert.equal(of("numerical", "0.125", "0.12"), 1, "halves of hundredths go to the even one");
  assert.equal(of("numerical", "-0.375", "-0.38"), 1);
  assert.equal(of("numerical", "nan", "nan"), 0);
  assert.equal(of("OCR", "a b", "a c d"), 1 - 2 / 3);
  assert.equal(of("regression", "inf", "3"), 0);
  assert.equal(of("free-form", "The cats sat", "the cat sat."), 1);
  assert.equal(of("unheard of", "a", "a"), null);
});

test("a component that no reward gives is told where it is written", () => {
  assert.deepEqual(
    mistakes(`data: {train: {path: rows.jsonl}}
model: {path: m}
rewards: [{name: right, kind: exact, answer: "{answer}"}]
shape: [{kind: consistency, accuracy: wrong}]
`),
    [`run.yaml:4:39: shape.0.accuracy: no reward is named "wrong"; there are: right`],
  );
});
