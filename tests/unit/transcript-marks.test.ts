import assert from "node:assert/strict";
import { test } from "node:test";
import { runsOf } from "../../src/algorithms/runs.js";
import { searchCount } from "../../src/algorithms/search-count.js";
import { taggedTokens } from "../../src/algorithms/tagged-tokens.js";

test("runs are numbered from 0, wherever they begin and end", () => {
  const { runs, count } = runsOf(Uint8Array.of(1, 1, 0, 0, 1, 0, 1));
  assert.deepEqual([...runs], [0, 0, -1, -1, 1, -1, 2]);
  assert.equal(count, 3);
  assert.equal(runsOf(new Uint8Array(3)).count, 0);
});

test("searches count when closed and outside what the environment wrote", () => {
  assert.equal(
    searchCount("<search>a</search>\n<information>x <search>y</search></information><search>b\nc</search>"),
    2,
  );
  assert.equal(searchCount("<search>open"), 0);
});

test("the tokens of the last complete block are marked, tags and shared tokens included", () => {
  const pieces = ["<answer>", "no</answer>", " so <ans", "wer>", "42", "</answer>.", " done"];
  assert.deepEqual([...taggedTokens(pieces, "answer")], [-1, -1, 0, 0, 0, 0, -1]);
  assert.deepEqual([...taggedTokens(["<answer>", "4"], "answer")], [-1, -1]);
  assert.deepEqual([...taggedTokens(["</answer>", "<answer>"], "answer")], [-1, -1]);
});
