import assert from "node:assert/strict";
import { test } from "node:test";
import { extractAnswer } from "../../src/rewards/math/extract.js";
import { verifyAnswer } from "../../src/rewards/math/verify.js";
import { runMathCases } from "../golden/math.js";
import { sharedPath } from "../shared.js";
import { rewardsIn, samplesOf, training } from "./rewards-samples.js";

type Options = Parameters<typeof verifyAnswer>[2];

const defaults: Options = { types: ["latex", "expr"], precision: 6, strict: true, allowSetRelation: false };

/** Asserts the verdict on pairs of answers written as TeX inside of dollars. */
function assertVerdict(want: boolean, pairs: [string, string][], options: Partial<Options> = {}): void {
  for (const [gold, answer] of pairs) {
    const got = verifyAnswer(`$${gold}$`, `$${answer}$`, { ...defaults, ...options });
    assert.equal(got, want, `${gold} and ${answer}`);
  }
}

const file = sharedPath("data", "math_equivalence_cases.json");
test("the verdicts of Math-Verify's own tests are met", { skip: file === null ? "no shared data" : false }, () => {
  const { failed, messages } = runMathCases(file!);
  assert.equal(failed, 0, messages.join("\n"));
});

test("numbers are equal by value: fractions, roots, powers, per cent, digits in groups, mixed numbers", () => {
  assertVerdict(true, [
    ["\\frac{1}{2}", "0.5"],
    ["\\frac94\\pi", "\\frac{9\\pi}{4}"],
    ["\\sqrt{8}", "2\\sqrt2"],
    ["\\frac{1}{\\sqrt3}", "\\frac{\\sqrt{3}}{3}"],
    ["10!", "3628800"],
    ["\\log_2 8", "3"],
    ["e^{i\\pi}", "-1"],
    ["3\\frac{1}{2}", "3.5"],
    ["50\\%", "0.5"],
    ["50\\%", "50"],
    ["1{,}000", "1000"],
    ["5\\text{ cm}^2", "5"],
    ["\\sqrt[3]{-8}", "-2"],
    ["10^{100}", "10^{99} \\cdot 10"],
  ]);
  assertVerdict(false, [
    ["\\frac{1}{3}", "0.33"],
    ["10^{100}", "10^{100}+1"],
    ["\\infty", "-\\infty"],
    ["50\\%", "5"],
    ["\\frac{5}{0}", "\\frac{7}{0}"],
  ]);
  assertVerdict(true, [["\\frac{1}{3}", "0.33"]], { precision: 2 });
});

test("terms are equal where their values are, names of unknowns told apart", () => {
  assertVerdict(true, [
    ["(x+1)^2", "x^2+2x+1"],
    ["\\frac{1}{x}+\\frac1y", "\\frac{x+y}{xy}"],
    ["\\sin 2x", "2\\sin x\\cos x"],
    ["\\sqrt{x^2}", "|x|"],
    ["n!", "n(n-1)!"],
    ["f(2x)", "f(x+x)"],
  ]);
  assertVerdict(false, [
    ["\\sqrt{x^2}", "x"],
    ["\\log x^2", "2\\log x"],
    ["f(x)", "f(y)"],
    ["a+b", "a-b"],
  ]);
  assertVerdict(true, [["f(x)", "f(y)"]], { strict: false });
});

test("tuples keep their order, sets do not, intervals keep their ends, matrices their shape", () => {
  assertVerdict(true, [
    ["\\{1,2\\}", "2, 1"],
    ["(1,2),(3,4)", "(3,4) \\text{ and } (1,2)"],
    ["1 \\pm \\sqrt{2}", "1-\\sqrt2, 1+\\sqrt2"],
    ["[1,2)", "[1, \\frac{4}{2})"],
    ["(0,1) \\cup (1,2)", "(0,2) \\setminus \\{1\\}"],
    ["\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\begin{bmatrix}1\\\\ \\frac42\\end{bmatrix}"],
  ]);
  assertVerdict(false, [
    ["(1,2)", "(2,1)"],
    ["[1,2]", "(1,2)"],
    ["1,2", "1,2,3"],
    ["\\begin{pmatrix}1&2\\end{pmatrix}", "\\begin{pmatrix}1\\\\2\\end{pmatrix}"],
  ]);
});

test("equations and inequalities are equal up to a factor; a value answers for its equation", () => {
  assertVerdict(true, [
    ["x+y=3", "2x+2y=6"],
    ["x > 2", "-x < -2"],
    ["1<x<2", "2>x>1"],
    ["x^2<4", "(-2,2)"],
    ["x<1 \\text{ or } x>3", "(-\\infty,1)\\cup(3,\\infty)"],
    ["x=3", "3"],
    ["3", "x=1+2=3"],
    ["f(x)=x^2", "x^2"],
  ]);
  assertVerdict(false, [
    ["x > 2", "-x > -2"],
    ["x > 2", "x \\ge 2"],
    ["k=3", "m=3"],
    ["2x+z=1", "1"],
    ["[0,\\infty)", "x \\ge 0"],
  ]);
  assertVerdict(true, [["[0,\\infty)", "x \\ge 0"]], { allowSetRelation: true });
});

test("the answer is looked for where an author marks it, and else last", () => {
  const found = (text: string) => extractAnswer(text, ["latex", "expr"])?.text;
  assert.equal(found("First $1$, then \\boxed{2}, at last $3$."), "2");
  assert.equal(found("\\boxed{2}. The final answer is $5$. I hope it is correct. \\boxed{3}"), "5");
  assert.equal(found("The answer is: 42, not 43."), "42");
  assert.equal(found("3 + 4 = 7, so 12."), "12");
  assert.equal(found("costs 1,234.5 dollars"), "1234.5");
  assert.equal(found("c'est 2,74 au total"), "2.74");
  assert.equal(found("\\boxed{1} and \\boxed{2}"), "1 , 2");
  assert.equal(found("28 percent"), "28 percent");
  assert.equal(found("no answer"), undefined);
  assert.equal(found("\\boxed{ and $ and \\("), undefined);
});

test("hostile text is refused in time", { timeout: 5000 }, () => {
  for (const text of [
    `$${"(".repeat(50_000)}$`,
    `\\boxed{${"{".repeat(20_000)}`,
    `$${"9^".repeat(500)}9$`,
    `${"$1$ and ".repeat(5000)}$2$`,
    `${"final answer ".repeat(5000)}`,
    "9".repeat(20_000),
    `$${"x+".repeat(4000)}1$`,
    `$${"x+".repeat(490)}1$`,
  ]) {
    assert.equal(verifyAnswer("$-7$", text, defaults), false);
  }
});

test("the math reward reads plain answers, worked solutions and words from the data", async (t) => {
  const set = await rewardsIn(t, [{ name: "right", kind: "math", answer: "{answer}" }]);
  const score = async (answer: unknown, completion: string) =>
    (await set.score(samplesOf([completion], { record: { answer } }), training)).components.right![0];
  assert.equal(await score("1/2", "so it is $\\frac{2}{4}$"), 1);
  assert.equal(await score("The sum is $3+4$, so \\boxed{7}.", "The answer is 7"), 1);
  assert.equal(await score("\\text{Evelyn}", "\\boxed{\\text{Evelyn}}"), 1);
  assert.equal(await score(7, "8"), 0);
  assert.equal(await score(7, ""), 0);
  assert.equal(await score(null, "7"), null);
  await assert.rejects(score("", "7"), { message: 'reward "right": the answer of a data row is empty', exitCode: 4 });
});
