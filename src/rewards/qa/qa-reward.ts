import type { RewardSpecOf } from "../../config/schema/rewards.js";
import { policyTexts, turnsOf } from "../../tree/turn.js";
import { compileAnswer } from "../answer.js";
import type { RewardSample, SampleScorer } from "../types.js";
import { lastAnswer } from "./last-answer.js";
import { exactMatch, substringMatch } from "./match-answer.js";
import { isSearchTranscript, retrievalHit, searchFormatReward } from "./search-format.js";

/**
 * Short answers to questions (Search-R1, arXiv 2503.09516): 1 where the last `<answer>` that the policy wrote matches one of the
 * right ones. With `structure`, the form of the whole transcript counts as well. Notes whether what was found holds a right one.
 */
export function qaReward(spec: RewardSpecOf<"qa">): SampleScorer {
  const golden = compileAnswer(spec.name, spec.answer);
  const matches = spec.match === "exact" ? exactMatch : substringMatch;
  return (sample, note) => {
    const wanted = golden(sample);
    if (wanted === null) return null;
    const right = answerList(wanted);
    const found = sample.completion.includes("<information>") ? retrievalHit(sample.completion, right) : null;
    if (found !== null) note?.("hit", found ? 1 : 0);
    const answer = answerOf(sample, spec.answer_source);
    const correct = answer === null ? null : matches(answer, right);
    if (spec.structure !== null) {
      const valid = isSearchTranscript(sample.completion);
      return searchFormatReward(correct, valid, valid && found === true, spec.structure);
    }
    if (correct === null) return 0;
    return correct ? 1 : spec.format_score;
  };
}

function answerOf({ prompt, completion, trace }: RewardSample, source: "policy" | "transcript"): string | null {
  // The released prompt holds a pair by itself, so the release asks for a second one.
  if (source === "transcript") return lastAnswer([prompt + completion], 2);
  const turns = turnsOf(trace);
  return lastAnswer(turns === null ? [completion] : policyTexts(turns));
}

/** The texts of a JSON list, or the text itself. */
function answerList(text: string): string[] {
  if (!text.startsWith("[")) return [text];
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) ? list.map(String) : [text];
  } catch {
    return [text];
  }
}
