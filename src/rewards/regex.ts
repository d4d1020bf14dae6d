import type { RewardSpecOf } from "../config/schema/rewards.js";
import { compileAnswer } from "./answer.js";
import type { SampleScorer } from "./types.js";

/** 1 where the pattern is found in the completion and, if there is an answer, a match's `group` equals it; 0 elsewhere. */
export function regexReward(spec: RewardSpecOf<"regex">): SampleScorer {
  const pattern = new RegExp(spec.pattern, spec.ignore_case ? "gsui" : "gsu");
  const answer = spec.answer === undefined ? null : compileAnswer(spec.name, spec.answer);
  const normalise = (text: string) => (spec.ignore_case ? text.trim().toLowerCase() : text.trim());
  return (sample) => {
    if (answer === null) return sample.completion.search(pattern) >= 0 ? 1 : 0;
    const wanted = answer(sample);
    if (wanted === null) return null;
    for (const match of sample.completion.matchAll(pattern)) {
      const group = typeof spec.group === "number" ? match[spec.group] : match.groups?.[spec.group];
      if (group !== undefined && normalise(group) === normalise(wanted)) return 1;
    }
    return 0;
  };
}
