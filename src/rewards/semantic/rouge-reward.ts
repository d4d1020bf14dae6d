import type { RewardSpecOf } from "../../config/schema/rewards.js";
import { compileAnswer } from "../answer.js";
import type { SampleScorer } from "../types.js";
import { explanationOf } from "./explanation.js";
import { rougeL } from "./rouge-l.js";

/** {@link rougeL} of a completion's explanation against a reference text; null where the row has none. */
export function rougeReward(spec: RewardSpecOf<"rouge_l">): SampleScorer {
  const reference = compileAnswer(spec.name, spec.answer);
  return (sample) => {
    const wanted = reference(sample);
    return wanted === null ? null : rougeL(explanationOf(sample.completion, spec), wanted);
  };
}
