import type { RewardSpecOf } from "../../config/schema/rewards.js";
import { ExitCode, GrpoError } from "../../errors.js";
import { compileAnswer } from "../answer.js";
import type { SampleScorer } from "../types.js";
import { type Extracted, extractAnswer } from "./extract.js";
import { parseMath } from "./parse.js";
import { sameExtracted } from "./verify.js";

/** 1 where the answer found in the completion is, as mathematics, the one of the data row; 0 elsewhere. */
export function mathReward(spec: RewardSpecOf<"math">): SampleScorer {
  const answer = compileAnswer(spec.name, spec.answer);
  const options = { precision: spec.precision, strict: spec.strict, allowSetRelation: spec.allow_set_relation };
  return (sample) => {
    const text = answer(sample);
    if (text === null) return null;
    const wanted = readAnswer(text);
    if (wanted === null) {
      throw new GrpoError("GRPO_DATA", `reward "${spec.name}": the answer of a data row is empty`, {
        exitCode: ExitCode.data,
        fix: "give the rows an answer, or null where the reward does not apply",
      });
    }
    const found = extractAnswer(sample.completion, spec.look_for);
    return found !== null && sameExtracted(wanted, found, options) ? 1 : 0;
  };
}

/** The answer of a data row: mathematics as it stands, or the answer found in a worked solution. */
function readAnswer(text: string): Extracted | null {
  if (text.trim() === "") return null;
  const bare = /[$]|\\boxed|\\\[|\\\(/.test(text) ? null : parseMath(text);
  if (bare !== null) return { text, expression: bare };
  return extractAnswer(text, ["latex", "expr"]) ?? { text, expression: null };
}
