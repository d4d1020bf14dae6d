import { strip } from "../white-space.js";
import { substringMatch } from "./match-answer.js";

type State =
  | "start"
  | "in_think"
  | "after_think"
  | "in_search"
  | "after_search"
  | "in_information"
  | "information"
  | "in_answer"
  | "end";

/** State of a transcript -> what each mark leads to; a mark that is absent may not stand there. */
const marks: Readonly<Record<State, Readonly<Record<string, State>>>> = {
  start: { "<think>": "in_think" },
  in_think: { "</think>": "after_think" },
  after_think: { "<search>": "in_search", "<answer>": "in_answer" },
  in_search: { "</search>": "after_search" },
  after_search: { "<information>": "in_information" },
  in_information: { "</information>": "information" },
  information: { "<think>": "in_think" },
  in_answer: { "</answer>": "end" },
  end: {},
};

/**
 * Whether a transcript is think, then (search, information, think) any number of times, then answer, with white space alone
 * between the blocks (Search-R1 v0.3, qa_em_format.py). Marks inside a block are not text: they break the order.
 */
export function isSearchTranscript(text: string): boolean {
  let state: State = "start";
  for (const [i, part] of text.split(/(<\/?(?:think|search|information|answer)>)/).entries()) {
    const isMark = i % 2 === 1;
    if (isMark) {
      const next: State | undefined = marks[state][part];
      if (next === undefined) return false;
      state = next;
    } else if (!state.startsWith("in_") && strip(part) !== "") return false;
  }
  return state === "end";
}

/** Whether a right answer stands in what was found: in one of the `<information>` blocks, all normalised. */
export function retrievalHit(text: string, golden: readonly string[]): boolean {
  return [...text.matchAll(/<information>(.*?)<\/information>/gs)].some(([, block]) => substringMatch(block!, golden));
}

/** What the form of a transcript is worth. */
export interface SearchFormatScores {
  /** For a right form; taken off a right answer in a wrong form. */
  structure: number;
  /** For a wrong answer in a wrong form. */
  final: number;
  /** For a right form in which a right answer was found but not given. */
  retrieval: number;
}

/**
 * Format-aware reward of Search-R1 v0.3 (arXiv 2505.15117, section 3.2).
 *
 * @param right whether the answer matches; null where none was given
 * @param valid whether the transcript has the right form
 * @param hit whether a right answer was found; looked at where the form is right
 */
export function searchFormatReward(
  right: boolean | null,
  valid: boolean,
  hit: boolean,
  { structure, final, retrieval }: SearchFormatScores,
): number {
  if (right === true) return valid ? 1 : 1 - structure;
  if (valid) return hit ? structure + retrieval : structure;
  return right === null ? 0 : final;
}
