import type { RewardSpecOf } from "../config/schema/rewards.js";
import { compileAnswer } from "./answer.js";
import { meanRouge } from "./rouge/rouge.js";
import type { RewardSample, SampleScorer } from "./types.js";

/** Keeps the relative error of 0 against 0 defined, as released with Video-R1 and GRPO-CARE. */
const RELATIVE_EPSILON = 1e-9;

/** How near an answer is to the wanted one, 0 to 1, by the type of the question. */
export const answerScores: Readonly<Record<string, (answer: string, wanted: string) => number>> = {
  "multiple choice": (answer, wanted) => (answer === wanted ? 1 : 0),
  numerical: (answer, wanted) => {
    if (hasMark(answer) !== hasMark(wanted)) return 0;
    const [a, b] = [parseNumber(answer), parseNumber(wanted)];
    return Number.isFinite(a) && toCents(a) === toCents(b) ? 1 : 0;
  },
  "free-form": meanRouge,
  OCR: (answer, wanted) => Math.max(0, 1 - wordErrorRate(answer, wanted)),
  regression: (answer, wanted) => {
    const [a, b] = [parseNumber(answer), parseNumber(wanted)];
    const error = (Math.abs(a - b) + RELATIVE_EPSILON) / (Math.abs(b) + RELATIVE_EPSILON);
    return error <= 1 ? 1 - error : 0;
  },
};

/**
 * Scores the text of the first `<tag>` block by {@link answerScores} (GRPO-CARE, arXiv 2506.16141, appendix); null for a type
 * that is not there.
 */
export function typedAnswerReward(spec: RewardSpecOf<"typed_answer">): SampleScorer {
  const typeOf: (sample: RewardSample) => string | null = compileAnswer(spec.name, spec.type);
  const wanted = compileAnswer(spec.name, spec.answer);
  return (sample) => {
    const score = answerScores[typeOf(sample) ?? ""];
    const answer = wanted(sample);
    if (score === undefined || answer === null) return null;
    return score(taggedText(sample.completion, spec.tag) ?? "", taggedText(answer, spec.tag) ?? answer.trim());
  };
}

/** Text of the first `<tag>` block, trimmed; null where there is none. */
function taggedText(text: string, tag: string): string | null {
  const start = text.indexOf(`<${tag}>`);
  const end = start < 0 ? -1 : text.indexOf(`</${tag}>`, start);
  return end < 0 ? null : text.slice(start + tag.length + 2, end).trim();
}

/** Levenshtein distance between the words, over the number of wanted words (at least 1). */
export function wordErrorRate(answer: string, wanted: string): number {
  const words = (text: string) => text.split(/\s+/).filter((word) => word !== "");
  const [got, want] = [words(answer), words(wanted)];
  let row = Array.from({ length: got.length + 1 }, (_, j) => j);
  want.forEach((word, i) => {
    const next = [i + 1];
    got.forEach((other, j) => {
      const replaced = row[j]! + (word === other ? 0 : 1);
      next.push(Math.min(replaced, row[j + 1]! + 1, next[j]! + 1));
    });
    row = next;
  });
  return row[got.length]! / Math.max(1, want.length);
}

const hasMark = (text: string) => text.includes(".") || text.includes(",");

/** A decimal number after its commas are taken out; NaN for anything else. */
function parseNumber(text: string): number {
  const plain = text.replaceAll(",", "").trim();
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain) ? Number(plain) : Number.NaN;
}

/** Hundredths, halves to the even one, from the exact binary value. */
function toCents(value: number): number {
  // A tie of hundredths is an odd number of eighths.
  if (Math.abs((value * 8) % 2) === 1) return 2 * Math.round((Math.abs(value) * 100) / 2) * Math.sign(value);
  return Math.round(Number(value.toFixed(2)) * 100);
}
