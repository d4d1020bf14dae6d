import { type CompareOptions, sameAnswer } from "./compare.js";
import { type Extracted, extractAnswer, type MatchType } from "./extract.js";

export interface VerifyOptions extends CompareOptions {
  types: readonly MatchType[];
}

/**
 * Whether two texts give the same mathematical answer, in the sense of huggingface/Math-Verify: each text's answer is
 * extracted, then the two are the same in writing or in meaning. The reward of kind `math` takes these two steps itself, for the
 * answer of a data row may be a bare expression.
 */
export function verifyAnswer(gold: string, prediction: string, options: VerifyOptions): boolean {
  const wanted = extractAnswer(gold, options.types);
  const found = extractAnswer(prediction, options.types);
  return wanted !== null && found !== null && sameExtracted(wanted, found, options);
}

/** Whether two extracted answers are the same in writing or in meaning. */
export function sameExtracted(wanted: Extracted, found: Extracted, options: CompareOptions): boolean {
  const [a, b] = [plainText(wanted.text), plainText(found.text)];
  if (a !== "" && a === b) return true;
  return (
    wanted.expression !== null && found.expression !== null && sameAnswer(wanted.expression, found.expression, options)
  );
}

/** What is written, without spaces, upright type and the parentheses around it; words of several letters in lower case. */
function plainText(latex: string): string {
  const bare = latex
    .replace(/\\(?:text(?:bf|it|rm|normal)?|mbox|mathrm|mathbf)\s*\{([^{}]*)\}/g, "$1")
    .replace(/\\(?:left|right)(?![A-Za-z])|\\[,;:! ]|[\s$]/g, "")
    .replace(/\.$/, "");
  const inner = /^\([A-Za-z]+\)$/.test(bare) ? bare.slice(1, -1) : bare;
  return /^[A-Za-z]{2,}$/.test(inner) ? inner.toLowerCase() : inner;
}
