import assert from "node:assert/strict";
import { test } from "node:test";
import { boxedContents, finalAnswer } from "../../src/rewards/boxed.js";
import { normaliseLatex, scoreBoxed } from "../../src/rewards/latex-boxed.js";
import { parseList } from "../../src/rewards/recommendation/parse-list.js";
import { catalogKey, rankHits, rankRewards } from "../../src/rewards/recommendation/rank-rewards.js";
import { rewardsIn, samplesOf, training } from "./rewards-samples.js";

test("a box ends where its braces close; one that never does is no box", () => {
  assert.deepEqual(boxedContents("\\boxed{\\frac{a}{b}} and \\boxed{c} and \\boxed{d"), ["\\frac{a}{b}", "c"]);
  assert.equal(finalAnswer("\\boxed{1} then \\boxed{2}"), "2");
  assert.equal(finalAnswer("<answer>3</answer>"), "3");
  assert.equal(finalAnswer("three"), null);
});

test("boxed and right scores 1, boxed and wrong the format weight, no box 0", () => {
  const reward = (text: string, gold: string[], kind: "choice" | "fill" = "fill") =>
    scoreBoxed(text, gold, kind, 0.1).reward;
  assert.equal(reward("so \\boxed{x}", ["x"]), 1);
  assert.equal(reward("so \\boxed{y}", ["x"]), 0.1);
  assert.equal(reward("so x", ["x"]), 0);
  assert.equal(reward("\\boxed{z} \\boxed{x} \\boxed{y + 1}", ["x", "y+1"]), 1);
  assert.equal(reward("\\boxed{x, y}", ["x", "y"]), 1);
  assert.equal(reward("\\boxed{x}", ["x", "y"]), 0.1);
  assert.equal(reward("\\boxed{ (C) }", ["C"], "choice"), 1);
  assert.equal(reward("\\boxed{CD}", ["C"], "choice"), 0.1);
});

test("bold and blanks do not count; sizing and outer braces only under extended", () => {
  assert.equal(normaliseLatex("\\mathbf{H}^H \\boldsymbol{w}", "basic"), "H^Hw");
  assert.notEqual(normaliseLatex("{\\left( x \\right)}", "basic"), "(x)");
  assert.equal(normaliseLatex("{\\left( x \\right)}", "extended"), "(x)");
});

test("ranks are lines of the text, or places among the lines that parse", () => {
  const items = parseList("Top films:\n1. **Heat** (1995)\n\n- Alien (1979)");
  assert.deepEqual(items, [
    { title: "Heat", year: 1995, line: 1 },
    { title: "Alien", year: 1979, line: 3 },
  ]);
  const truth = {
    groundTruth: [["alien", 1980]] as const,
    seen: new Set<string>(),
    catalog: new Set([catalogKey("Heat", 1995), catalogKey("Alien", 1979)]),
  };
  const hits = (ranks: "lines" | "parsed", yearTolerance = 2) => [
    ...rankHits(items, truth, { maxItems: 4, yearTolerance, ranks }),
  ];
  assert.deepEqual(hits("lines"), [0, 0, 0, 1]);
  assert.deepEqual(hits("parsed"), [0, 1, 0, 0]);
  assert.deepEqual(hits("lines", 0), [0, 0, 0, 0]);
});

test("rewards of ranks: own hits, what is left of DCG, hits that decay", () => {
  const hits = Float64Array.of(1, 0, 0, 0, 1);
  const near = (got: Float64Array, want: number[]) =>
    want.forEach((value, k) => {
      assert.ok(Math.abs(got[k]! - value) < 1e-6);
    });
  near(rankRewards(hits, "exp_inf", 1), [1, 0, 0, 0, 1]);
  near(rankRewards(hits, "log_decay", 1), [1.386853, 0.386853, 0.386853, 0.386853, 0.386853]);
  near(rankRewards(hits, "exp_gamma", 2), [1.0625, 0.125, 0.25, 0.5, 1]);
});

test("a recommendation reward gives one value per rank, and their mean as the component", async (t) => {
  const rewards = await rewardsIn(
    t,
    [{ name: "hits", kind: "recommendation", catalog: "catalog.json", max_items: 4, seen: null }],
    { "catalog.json": JSON.stringify([["Heat", 1995]]) },
  );
  const record = { groundtruth_with_release_year: [["Heat", 1995]] };
  const scores = await rewards.score(samplesOf(["Heat (1995)", "none"], { record }), training);
  assert.deepEqual([...scores.spans.hits![0]!], [1, 0, 0, 0]);
  assert.deepEqual(scores.components.hits, [0.25, 0]);
  assert.deepEqual(scores.details, [{ "hits/items": 1, "hits/in_catalog": 1 }, { "hits/items": 0 }]);
});

test("the parts of a boxed answer's score are noted beside it", async (t) => {
  const rewards = await rewardsIn(t, [{ name: "box", kind: "latex_boxed", answer: "{answer}" }]);
  const { details } = await rewards.score(samplesOf(["\\boxed{4}", "\\boxed{5}", "4"]), training);
  const score = (format: number, accuracy: number) => ({ "box/format": format, "box/accuracy": accuracy });
  assert.deepEqual(details, [score(1, 1), score(1, 0), score(0, 0)]);
});
