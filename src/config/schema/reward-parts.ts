import { z } from "zod";

export { regularExpression as pattern } from "./parts.js";

export const common = {
  name: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "a reward's name is letters, digits and underscores: it becomes a metric name")
    .describe("Name of the component in metrics, rollouts and messages."),
  weight: z
    .number()
    .default(1)
    .describe("Factor of the component in the total reward; 0 records it without training on it."),
  when: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Condition on the sample, for example `record.kind == "math" && rewards.format == 1`; where it is false the component is not called and does not apply.',
    ),
  times: z
    .string()
    .optional()
    .describe("Component whose value multiplies this one, as a pass rate may weigh a quality; none by default."),
};

export const userCode = {
  scope: z
    .enum(["sample", "group", "step"])
    .default("group")
    .describe(
      "What one call receives. A group is the default: it is complete while others still decode, and costs one call per prompt.",
    ),
  timeout_s: z
    .number()
    .positive()
    .default(10)
    .describe(
      "Seconds one call may take; then its worker or process is ended. Long enough for a call to a local service.",
    ),
  on_error: z
    .enum(["stop", "skip"])
    .default("stop")
    .describe(
      "What an error of the reward does: stop the run (the default: a wrong reward is worse than none), or skip: the component does not apply to the samples of that call, and the error is counted.",
    ),
  needs: z.array(z.string()).default([]).describe("Components to score first; their values are in `sample.rewards`."),
};

export const answer = z
  .string()
  .describe('Template of the expected answer over the columns of the data row, as in "{answer}".');
export const ignoreCase = z
  .boolean()
  .default(false)
  .describe("Compare without regard to case; off, since case often matters.");
