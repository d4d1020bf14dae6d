import assert from "node:assert/strict";
import { test } from "node:test";
import { porterStem } from "../../src/rewards/rouge/porter-stem.js";
import { meanRouge, rougeLongest, rougeN, rougeTokens } from "../../src/rewards/rouge/rouge.js";

test("words are stemmed as the reference implementation (NLTK 3.10) stems them", () => {
  const stems: Record<string, string> = {
    caresses: "caress",
    ponies: "poni",
    dies: "die",
    died: "die",
    cats: "cat",
    feed: "feed",
    agreed: "agre",
    plastered: "plaster",
    sing: "sing",
    conflated: "conflat",
    hopping: "hop",
    falling: "fall",
    hissing: "hiss",
    filing: "file",
    happy: "happi",
    enjoy: "enjoy",
    skies: "sky",
    relational: "relat",
    rationally: "ration",
    geology: "geolog",
    hopefully: "hope",
    adoption: "adopt",
    replacement: "replac",
    controlling: "control",
    rolling: "roll",
    cease: "ceas",
    rate: "rate",
    syzygy: "syzygi",
    "4th": "4th",
    a: "a",
  };
  for (const [word, stem] of Object.entries(stems)) assert.equal(porterStem(word), stem, word);
});

test("tokens are runs of letters and digits in lower case, short ones as they are", () => {
  assert.deepEqual(rougeTokens("Its dogs' RUNNING, 42nd!"), ["its", "dog", "run", "42nd"]);
  assert.deepEqual(rougeTokens(" ... "), []);
});

test("n-grams count as often as the rarer side has them; a subsequence may have gaps", () => {
  const words = (text: string) => text.split(" ");
  const [a, b] = [words("a b a c"), words("a c a d b")];
  // Shared: a, a, b, c of 4 and 5.
  assert.equal(rougeN(a, b, 1), (2 * 1 * 0.8) / 1.8);
  assert.equal(rougeN(a, b, 2), (2 * (1 / 3) * (1 / 4)) / (1 / 3 + 1 / 4));
  assert.equal(rougeLongest(a, b), (2 * 0.5 * 0.4) / 0.9);
  assert.equal(rougeN(["a"], ["a"], 2), 0);
});

test("equal texts score 1, texts without words 0", () => {
  assert.equal(meanRouge("The cat sat", "the CATS sat."), 1);
  assert.equal(meanRouge("", ""), 0);
  assert.equal(meanRouge("word", "other"), 0);
});
