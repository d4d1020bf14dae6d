import type { Expression } from "./expression.js";
import { parseMath } from "./parse.js";
import { readGroup } from "./tokens.js";

/** Kinds of answers that are looked for: mathematics between TeX delimiters, and bare numbers. */
export type MatchType = "latex" | "expr";

/** An answer found in a text. */
export interface Extracted {
  /** As it was written. */
  text: string;
  /** What it means; null where it could not be read as mathematics. */
  expression: Expression | null;
}

interface Candidate {
  text: string;
  start: number;
  end: number;
}

/** Only this much of a text is searched, from its end, where answers stand. In characters. */
const searched = 20_000;
/** Of the places that announce an answer the last ones count. */
const maxAnchors = 16;

/** `The final answer is X. I hope it is correct`: the form that few-shot prompts ask for. */
const finalWithHope = /final answer is\s*:?\s*/gi;
const hope = /^\s*\.?\s*i hope/i;
const finalPrefix = /final answer(?:\s*(?:is\b)?\s*:?\s*|.{0,100}?\bis\s*:?\s*)/gis;
const answerPrefix = /\banswer\s*(?:is\b\s*:?|:)\s*/gi;

/** A number in running text, with thousands in groups, a fraction, a per cent sign. */
const plainNumber =
  /(?:(?<![\w.,)])[-−])?(?:(?<![\d.,])\d{1,3}(?:,\d{3})+(?:\.\d+)?|(?<![\d.,])\d{1,3}(?: \d{3})+(?![\d])(?:\.\d+)?|\d+(?:[.,]\d+)?|(?<!\d)\.\d+)(?:\s*\/\s*\d+)?(?:\s*(?:\\?%|percent\b|pct\b))?/g;

/**
 * Finds the answer in a text. In order: what follows "the final answer is" before "I hope"; the last `\boxed{}` or what
 * follows "final answer ... is", whichever is later; what follows "answer is"; the last formula or number at all. Boxes
 * or formulas with only "and", "or" or a comma between them are one answer of several parts.
 *
 * @returns null where nothing is found
 */
export function extractAnswer(source: string, types: readonly MatchType[]): Extracted | null {
  const text = source.slice(-searched);
  const latex = types.includes("latex");
  const expr = types.includes("expr");
  const anchored = (prefix: RegExp) =>
    [...text.matchAll(prefix)].slice(-maxAnchors).flatMap(({ index, 0: match }) => {
      const found = answerAt(text, index + match.length, latex, expr);
      return found === null ? [] : [found];
    });
  const formulas = latex ? joinParts(text, findFormulas(text)) : [];
  const tiers: (() => Candidate[])[] = [
    () => anchored(finalWithHope).filter(({ end }) => hope.test(text.slice(end, end + 20))),
    () => [...anchored(finalPrefix), ...(latex ? joinParts(text, findBoxes(text)) : [])],
    () => anchored(answerPrefix),
    () => [...formulas, ...(expr ? findNumbers(text, formulas) : [])],
  ];
  let unread: Extracted | null = null;
  for (const tier of tiers) {
    for (const candidate of tier().sort((a, b) => b.end - a.end)) {
      const expression = parseMath(candidate.text);
      if (expression !== null) return { text: candidate.text, expression };
      unread ??= { text: candidate.text, expression };
    }
  }
  return unread;
}

/** The formula or number that starts at a place. */
function answerAt(text: string, start: number, latex: boolean, expr: boolean): Candidate | null {
  const formula = latex ? formulaAt(text, start) : null;
  if (formula !== null)
    return joinParts(text, [formula, ...findFormulas(text.slice(0, formula.end + 500), formula.end)])[0]!;
  if (!expr) return null;
  const number = text.slice(start, start + 60).match(new RegExp(`^\\$?(?:${plainNumber.source})`));
  return number === null ? null : numberCandidate(number[0], start);
}

/** All formulas between delimiters; where one holds boxes, these count instead. */
function findFormulas(text: string, from = 0): Candidate[] {
  const found: Candidate[] = [];
  const opener = /\$|\\\[|\\\(|\\?\b(?:boxed|fbox)\s*\{/g;
  opener.lastIndex = from;
  for (let match = opener.exec(text); match !== null; match = opener.exec(text)) {
    if (text[match.index - 1] === "\\" && match[0] === "$") continue;
    const formula = formulaAt(text, match.index);
    if (formula === null) continue;
    const boxes = findBoxes(text.slice(formula.start, formula.end)).map(({ text: inner, start, end }) => ({
      text: inner,
      start: start + formula.start,
      end: end + formula.start,
    }));
    found.push(...(boxes.length > 0 ? boxes : [formula]));
    opener.lastIndex = formula.end;
  }
  return found;
}

/** The formula whose delimiter stands at `start`. Those within a line, `$` and `\(`, end on it. */
function formulaAt(text: string, start: number): Candidate | null {
  for (const [open, close, multiline] of delimiters) {
    if (!text.startsWith(open, start)) continue;
    const end = findClose(text, start + open.length, close);
    if (end < 0) continue;
    const inner = text.slice(start + open.length, end);
    if (inner.trim() === "" || (!multiline && inner.includes("\n"))) continue;
    return withPercent(text, { text: inner, start, end: end + close.length });
  }
  return boxAt(text, start);
}

const delimiters = [
  ["$$", "$$", true],
  ["\\[", "\\]", true],
  ["\\(", "\\)", false],
  ["$", "$", false],
] as const;

function findClose(text: string, from: number, close: string): number {
  for (let at = text.indexOf(close, from); at >= 0; at = text.indexOf(close, at + 1)) {
    if (!close.startsWith("$") || text[at - 1] !== "\\") return at;
  }
  return -1;
}

function findBoxes(text: string): Candidate[] {
  return [...text.matchAll(/\\?\b(?:boxed|fbox)\s*\{/g)].flatMap(({ index }) => boxAt(text, index) ?? []);
}

function boxAt(text: string, start: number): Candidate | null {
  const command = text.slice(start, start + 16).match(/^\\?(?:boxed|fbox)\s*(?=\{)/)?.[0];
  if (command === undefined) return null;
  const group = readGroup(text, start + command.length);
  return group === null ? null : withPercent(text, { text: group.text, start, end: group.end });
}

/** Takes a per cent sign or word behind a formula into it. */
function withPercent(text: string, candidate: Candidate): Candidate {
  const sign = text.slice(candidate.end, candidate.end + 12).match(/^\s*(?:\\?%|percent\b|pct\b)/)?.[0];
  if (sign === undefined) return candidate;
  return { ...candidate, text: `${candidate.text}\\%`, end: candidate.end + sign.length };
}

/** Joins neighbours that have only a separator between them. */
function joinParts(text: string, parts: readonly Candidate[]): Candidate[] {
  const joined: Candidate[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    const separator = last === undefined ? null : separatorIn(text.slice(last.end, part.start));
    if (last !== undefined && separator !== null) {
      joined[joined.length - 1] = { text: `${last.text}${separator}${part.text}`, start: last.start, end: part.end };
    } else joined.push(part);
  }
  return joined;
}

/** The separator that is all a text between two formulas holds, or null. */
function separatorIn(between: string): string | null {
  if (between.length > 60) return null;
  const bare = between.replace(/\\(?:quad|qquad|text\s*\{|[()[\],;: ])|[\s$}]/g, "");
  if (!/^(?:,|;|,?and|,?or)$/.test(bare)) return null;
  return bare.endsWith("or") ? " \\text{ or } " : " , ";
}

function findNumbers(text: string, formulas: readonly Candidate[]): Candidate[] {
  return [...text.matchAll(plainNumber)]
    .map((match) => numberCandidate(match[0], match.index))
    .filter(({ start, end }) => !formulas.some((formula) => start < formula.end && end > formula.start));
}

/** A plain number as mathematics: a decimal comma becomes a point, groups of thousands are closed. */
function numberCandidate(match: string, start: number): Candidate {
  const text = match
    .replace("$", "")
    .replace("−", "-")
    .replace(/(?<=\d)[, ](?=\d{3}(?:\D|$))/g, (separator, at: number, whole: string) =>
      /^\d{1,3}$/.test(whole.slice(0, at).match(/\d+$/)?.[0] ?? "") || separator === " " ? "" : separator,
    )
    .replace(/(?<=\d),(?=\d)/, ".");
  return { text, start, end: start + match.length };
}
