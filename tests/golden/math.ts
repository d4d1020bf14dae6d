import { readFileSync } from "node:fs";
import type { MatchType } from "../../src/rewards/math/extract.js";
import { verifyAnswer } from "../../src/rewards/math/verify.js";

interface MathCase {
  gold: string;
  pred: string;
  expected: number;
  match_types: MatchType[];
  precision: number;
  strict: boolean;
  allow_set_relation_comp: boolean;
}

/** Runs a file of math-equivalence cases (`cases[].gold`) through the `math` reward's comparison. */
export function runMathCases(file: string): { passed: number; failed: number; messages: string[] } {
  const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: MathCase[] };
  const messages = cases.flatMap((one, index) => {
    const got = verifyAnswer(one.gold, one.pred, {
      types: one.match_types,
      precision: one.precision,
      strict: one.strict,
      allowSetRelation: one.allow_set_relation_comp,
    });
    if (got === (one.expected === 1)) return [];
    const brief = (text: string) => JSON.stringify(text.length > 80 ? `...${text.slice(-77)}` : text);
    return [`case ${index}: ${brief(one.gold)} and ${brief(one.pred)}: got ${Number(got)}, want ${one.expected}`];
  });
  return { passed: cases.length - messages.length, failed: messages.length, messages };
}
