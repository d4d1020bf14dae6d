import type { RewardSpecOf } from "../config/schema/rewards.js";
import { ExitCode, GrpoError } from "../errors.js";
import type { SampleScorer } from "./types.js";

/**
 * A number that the data row holds already, such as a score made elsewhere; null where the row says null.
 *
 * @throws GrpoError GRPO_DATA, when called, where the row has no such column or it holds no number
 */
export function columnReward({ name, column }: RewardSpecOf<"column">): SampleScorer {
  return ({ record }) => {
    const value = record[column];
    if (value === null) return null;
    if (typeof value === "number" || typeof value === "boolean") return Number(value);
    throw new GrpoError("GRPO_DATA", `reward "${name}": column "${column}" of the data row is ${describe(value)}`, {
      exitCode: ExitCode.data,
      fix: `name a column of numbers; the row has: ${Object.keys(record).join(", ")}`,
    });
  };
}

function describe(value: unknown): string {
  return value === undefined ? "missing" : `not a number but ${JSON.stringify(value)}`;
}
