import { ExitCode, GrpoError } from "../errors.js";
import type { ValueProblem } from "./check-values.js";
import type { RewardSample } from "./types.js";

/** How a message points at a sample: its place in the step and the start of its completion. */
export function describeSample(sample: RewardSample): string {
  const start = sample.completion.length > 60 ? `${sample.completion.slice(0, 60)}...` : sample.completion;
  return `sample ${sample.sample} of group ${sample.group} (${JSON.stringify(start)})`;
}

/** A failure of the user's reward code in a run: names the reward, says what happened, what to do, exit code 1. */
export function rewardError(name: string, what: string, fix: string, cause?: unknown): GrpoError {
  return new GrpoError("GRPO_REWARD", `reward "${name}": ${what}`, { exitCode: ExitCode.failure, fix, cause });
}

/** The error for an answer that {@link ValueProblem} describes. */
export function valueError(name: string, problem: ValueProblem, samples: readonly RewardSample[]): GrpoError {
  const first = describeSample(samples[0]!);
  switch (problem.kind) {
    case "not_a_list":
      return rewardError(
        name,
        `answered ${problem.got} instead of a list, in the call that starts with ${first}`,
        `return a list of ${samples.length} values, one number or null per sample`,
      );
    case "length":
      return rewardError(
        name,
        `answered ${problem.got} values for ${samples.length} samples, in the call that starts with ${first}`,
        "return one number, or null where the reward does not apply, per sample and in their order",
      );
    case "value":
      return rewardError(
        name,
        `the value of ${describeSample(samples[problem.index]!)} is ${problem.got}`,
        "return a finite number, or null where the reward does not apply",
      );
  }
}
