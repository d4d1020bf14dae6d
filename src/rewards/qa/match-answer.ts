import { words } from "../white-space.js";

const punctuation = /[!-/:-@[-`{-~]/g;
// A word border of Python's `re`, which counts letters and digits of every script as parts of words.
const articles = /(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu;

/**
 * An answer as question-answering benchmarks compare it: lower case, then without ASCII punctuation, then without articles, then
 * with single spaces. Punctuation goes first, so "a.m." keeps its letters (SQuAD evaluation; Search-R1, qa_em.py).
 */
export function normalizeAnswer(text: string): string {
  const bare = text.toLowerCase().replace(punctuation, "").replace(articles, " ");
  return words(bare).join(" ");
}

/** Whether the answer equals one of the right ones, all normalised. */
export function exactMatch(answer: string, golden: readonly string[]): boolean {
  const normalized = normalizeAnswer(answer);
  return golden.some((right) => normalizeAnswer(right) === normalized);
}

/** Whether one of the right answers stands somewhere in the text, all normalised. */
export function substringMatch(text: string, golden: readonly string[]): boolean {
  const normalized = normalizeAnswer(text);
  return golden.some((right) => normalized.includes(normalizeAnswer(right)));
}
