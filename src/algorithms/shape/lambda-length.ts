import type { ShapeConfig } from "../../config/schema/shape.js";
import { trainedActions, trainedGroups } from "../rows.js";
import { mean, standardDeviation } from "../statistics.js";
import { addMean } from "../tally.js";
import type { RewardShaper, Row } from "../types.js";

export type LambdaLengthConfig = Extract<ShapeConfig[number], { kind: "lambda_length" }>;

/**
 * Groups under length pressure: the first ceil(lambda N) (or floor) by share of right rows, ties in batch order, less those
 * whose share is not above `min_ratio`.
 *
 * @param ratios share of right rows per group
 * @returns indices of groups, in order of selection
 */
export function efficiencyGroups(
  ratios: readonly number[],
  { lambda, rounding, min_ratio }: Pick<LambdaLengthConfig, "lambda" | "rounding" | "min_ratio">,
): number[] {
  const count = Math[rounding](lambda * ratios.length);
  const order = ratios.map((_, k) => k).sort((a, b) => ratios[b]! - ratios[a]! || a - b);
  return order.slice(0, count).filter((k) => ratios[k]! > min_ratio);
}

/**
 * GRPO-lambda: in the efficiency groups a right row earns R - alpha sigmoid((L - mu) / sd), mu and sd the mean and population
 * deviation of the lengths of the group's right rows; all other rewards stay (arXiv 2505.18086, eq. 3 and 4).
 *
 * @returns shares of right rows per group, and the efficiency groups, in batch order of groups
 */
export function lambdaLength(rows: readonly Row[], config: LambdaLengthConfig): { ratios: number[]; chosen: number[] } {
  const groups = trainedGroups(rows);
  const right = groups.map((members) => members.filter((i) => isRight(rows[i]!, config.component)));
  const ratios = groups.map((members, k) => right[k]!.length / members.length);
  const chosen = efficiencyGroups(ratios, config);
  for (const k of chosen) {
    const lengths = right[k]!.map((i) => trainedActions(rows[i]!));
    const center = mean(lengths);
    const width = standardDeviation(lengths, "population");
    right[k]!.forEach((i, j) => {
      const z = width > 0 ? (lengths[j]! - center) / width : 0;
      rows[i]!.reward -= config.alpha / (1 + Math.exp(-z));
    });
  }
  return { ratios, chosen };
}

/** Whether a row is right: it ended by itself and its reward, or the named component, is positive. */
function isRight(row: Row, component: string | null): boolean {
  const value = component === null ? row.reward : (row.components[component]?.values[0] ?? Number.NaN);
  return row.terminated && value > 0;
}

/** The shaper of {@link lambdaLength}. */
export function lambdaLengthShaper(config: LambdaLengthConfig): RewardShaper {
  return {
    needs: {},
    shape: (rows, log) => {
      const { ratios, chosen } = lambdaLength(rows, config);
      addMean(log, "lambda/efficiency_groups", chosen.length, 1);
      addMean(log, "lambda/correct_ratio", mean(ratios), 1);
      if (chosen.length > 0) addMean(log, "lambda/threshold_ratio", ratios[chosen.at(-1)!]!, 1);
      trainedGroups(rows).forEach((members, k) => {
        const place = chosen.includes(k) ? "inside" : "outside";
        const right = ratios[k]! * members.length;
        addMean(log, "lambda/penalised", place === "inside" ? right : 0, right);
        for (const i of members) addMean(log, `lambda/length_${place}`, trainedActions(rows[i]!), 1);
      });
    },
  };
}
