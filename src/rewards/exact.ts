import type { RewardSpecOf } from "../config/schema/rewards.js";
import { compileAnswer } from "./answer.js";
import { lastMatch } from "./last-match.js";
import type { SampleScorer } from "./types.js";

/** 1 where the completion, or the part of it that `extract` finds last, equals the answer; 0 elsewhere. */
export function exactReward(spec: RewardSpecOf<"exact">): SampleScorer {
  const answer = compileAnswer(spec.name, spec.answer);
  const extract = spec.extract === undefined ? null : new RegExp(spec.extract, "gsu");
  const normalise = (text: string) => {
    const stripped = spec.strip ? text.trim() : text;
    return spec.ignore_case ? stripped.toLowerCase() : stripped;
  };
  return (sample) => {
    const wanted = answer(sample);
    if (wanted === null) return null;
    const found = extract === null ? sample.completion : lastMatch(extract, sample.completion);
    return found !== null && normalise(found) === normalise(wanted) ? 1 : 0;
  };
}
