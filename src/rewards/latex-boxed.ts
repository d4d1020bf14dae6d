import type { RewardSpecOf } from "../config/schema/rewards.js";
import { compileAnswer } from "./answer.js";
import { boxedContents } from "./boxed.js";
import type { SampleScorer } from "./types.js";

/** How an answer is given: the letter of a choice, or what stands behind each mask. */
export type BoxedKind = "choice" | "fill";

export interface BoxedScore {
  /** 1 where the response holds something that looks like a box. */
  format: number;
  /** 1 where every part of the answer is right. */
  accuracy: number;
  /** weight x format + (1 - weight) x accuracy. */
  reward: number;
}

/**
 * Format and accuracy of a response that ends in boxed answers (WirelessMathLM, arXiv 2509.23219, eq. 3 and 4).
 *
 * @param gold the letter, or one text per mask in order; the last boxes of the response stand for them
 * @param formatWeight the published alpha
 */
export function scoreBoxed(
  response: string,
  gold: readonly string[],
  kind: BoxedKind,
  formatWeight: number,
  normalise: "basic" | "extended" = "basic",
): BoxedScore {
  const format = /boxed\{.*\}/.test(response) ? 1 : 0;
  const right = kind === "choice" ? choiceIsRight(response, gold) : fillIsRight(response, gold, normalise);
  const accuracy = right ? 1 : 0;
  return { format, accuracy, reward: formatWeight * format + (1 - formatWeight) * accuracy };
}

function choiceIsRight(response: string, [letter]: readonly string[]): boolean {
  const box = boxedContents(response).at(-1);
  const chosen = box === undefined ? null : /^\s*[([{]?\s*([A-Za-z])\s*[)\]}]?\s*\.?\s*$/.exec(box);
  return chosen !== null && chosen[1] === letter?.trim();
}

function fillIsRight(response: string, gold: readonly string[], normalise: "basic" | "extended"): boolean {
  const boxes = boxedContents(response);
  const parts = boxes.length === 1 && gold.length > 1 ? boxes[0]!.split(",") : boxes.slice(-gold.length);
  if (parts.length !== gold.length || gold.length === 0) return false;
  return parts.every((part, i) => normaliseLatex(part, normalise) === normaliseLatex(gold[i]!, normalise));
}

/** LaTeX without blanks and bold; `extended` also without sizing, thin spaces, \mathrm and outer braces. */
export function normaliseLatex(text: string, level: "basic" | "extended"): string {
  let bare = text
    .replace(/\\(?:mathbf|boldsymbol)\s*\{([^{}]*)\}/g, "$1")
    .replace(/\\(?:mathbf|boldsymbol)(?![a-zA-Z])/g, "");
  if (level === "extended") {
    bare = bare
      .replace(/\\mathrm\s*\{([^{}]*)\}/g, "$1")
      .replace(/\\(?:left|right)(?![a-zA-Z])|\\[,;!]/g, "")
      .trim();
    if (/^\{[^{}]*\}$/.test(bare)) bare = bare.slice(1, -1);
  }
  return bare.replace(/\s+/g, "");
}

/** The reward of {@link scoreBoxed}, whose parts are noted. An answer that is a JSON list holds one text per mask. */
export function latexBoxedReward(spec: RewardSpecOf<"latex_boxed">): SampleScorer {
  const answer = compileAnswer(spec.name, spec.answer);
  return (sample, note) => {
    const wanted = answer(sample);
    if (wanted === null) return null;
    const gold = listOf(wanted);
    const letter = gold.length === 1 && /^\s*[A-Z]\s*$/.test(gold[0]!);
    const kind = spec.answers === "auto" ? (letter ? "choice" : "fill") : spec.answers;
    const { format, accuracy, reward } = scoreBoxed(sample.completion, gold, kind, spec.format_weight, spec.normalise);
    note?.("format", format);
    note?.("accuracy", accuracy);
    return reward;
  };
}

function listOf(answer: string): string[] {
  if (!answer.startsWith("[")) return [answer];
  try {
    const parsed: unknown = JSON.parse(answer);
    return Array.isArray(parsed) ? parsed.map(String) : [answer];
  } catch {
    return [answer];
  }
}
