import assert from "node:assert/strict";
import { test } from "node:test";
import { fitAdjustment } from "../../src/data/list-adjustment.js";
import { adjustLoss, adjustScores } from "../../src/data/list-scores.js";
import { rankLists } from "../../src/pipeline/rank-lists.js";
import { randomNumbers } from "../random-rows.js";

const random = randomNumbers(4);
const dialogues = Array.from({ length: 6 }, (_, d) => ({
  scores: Float64Array.from({ length: 5 }, () => 2 * random()),
  positives: d % 2 === 0 ? [3] : [1, 3],
}));

/** The loss over all dialogues, the regularisation once. */
function loss(w: Float64Array, b: Float64Array, regularisation: number): number {
  const none = adjustLoss(new Float64Array(5), [], w, b, regularisation);
  return dialogues.reduce((sum, { scores, positives }) => {
    return sum + adjustLoss(adjustScores(scores, w, b), positives, w, b, 0);
  }, none);
}

test("the adjustment is where no small move of w or b lowers the loss", () => {
  const { w, b } = fitAdjustment(dialogues, { regularisation: 0.1, steps: 2000 });
  const least = loss(w, b, 0.1);
  assert.ok(least < loss(new Float64Array(5).fill(1), new Float64Array(5), 0.1));
  for (const values of [w, b]) {
    values.forEach((value, v) => {
      const slope = [1e-5, -1e-5].map((h) => {
        values[v] = value + h;
        return loss(w, b, 0.1);
      });
      values[v] = value;
      assert.ok(Math.abs((slope[0]! - slope[1]!) / 2e-5) < 1e-4);
    });
  }
  assert.ok(b[3]! > 0 && b[0]! < 0);
});

const catalog = [
  ["Alien", 1979],
  ["Heat", 1995, "crime"],
  ["Her", 2013],
  ["Up", 2009],
] as const;
/** A text's vector: how often each of four letters stands in it, so that texts can be told to be alike. */
const embedder = {
  embed: async (texts: readonly string[]) =>
    texts.map((text) => Float64Array.from("alep", (letter) => text.toLowerCase().split(letter).length - 1)),
};
const options = { items: 2, lambda: 0, gamma: 0.5, regularisation: 0.01, steps: 0 };
const dialogue = {
  prompt: [{ role: "user", content: "Something like Heat?" }],
  teacher: [
    ["Heat", 1995],
    ["Aliens", 1986],
  ],
  groundtruth_with_release_year: [["Up", 2009]],
};
const listed = async (rows: Record<string, unknown>[], more: object = {}) =>
  (await rankLists(rows, catalog, embedder, { ...options, ...more }, "talks.jsonl")).map(
    ({ completion }) => completion,
  );

test("a teacher's list becomes one of the catalog: what it names, then what is like it, moved by its ratings", async () => {
  assert.deepEqual(await listed([dialogue]), ["Heat (1995)\nAlien (1979)"]);
  const rated = {
    ...dialogue,
    ratings: [
      ["Up", 2009, 2],
      ["Heat", 1995, -2],
      ["Nowhere", 2000, 2],
    ],
  };
  assert.deepEqual(await listed([rated], { gamma: 5 }), ["Up (2009)\nAlien (1979)"]);
});

test("what turned out right rises with the adjustment", async () => {
  const rows = Array.from({ length: 8 }, () => dialogue);
  const lists = await listed(rows, { steps: 300 });
  assert.ok(lists.every((list) => String(list).startsWith("Up (2009)")));
});

test("a row without a teacher's list is named", async () => {
  await assert.rejects(listed([{ ...dialogue, teacher: "Heat" }]), {
    message: 'talks.jsonl:1: column "teacher" is no list of [title, year]',
    exitCode: 4,
  });
});
