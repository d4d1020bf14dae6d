import { outcome, spread, trainedGroups } from "../rows.js";
import { type Deviation, mean, standardDeviation } from "../statistics.js";
import type { AdvantageEstimator, Row } from "../types.js";

export interface GroupAdvantageOptions {
  /** Whose deviation divides: the group's, the batch's, or none (Dr. GRPO, arXiv 2503.20783). */
  scale: "group" | "batch" | "none";
  std: Deviation;
  epsilon: number;
  /** Variances below this count as this. */
  variance_floor: number;
  /** Advantage of the only row of a group: none, or its reward (mean 0, deviation 1, as in verl). */
  single: "zero" | "reward";
  /**
   * `normalize_each` normalises each reward component in its group before the weighted sum (arXiv 2503.21819);
   * `normalize_then_sum` the sum over the batch as well (GDPO, arXiv 2601.05242).
   */
  aggregation: "sum_then_normalize" | "normalize_each" | "normalize_then_sum";
  /** Weights of the reward components by name, for components that are normalised first. */
  weights: Readonly<Record<string, number>>;
}

/**
 * Group-relative advantages, one per row: A_i = (R_i - mean_group R) / (std R + epsilon)
 * (DeepSeekMath, arXiv 2402.03300, section 4.1). NaN rewards are left out of every statistic and give NaN.
 *
 * @returns `advantages` and, for the record, the mean and the deviation that stood for each row
 */
export function groupAdvantages(
  rows: readonly Row[],
  options: GroupAdvantageOptions,
): { advantages: Float64Array; centers: Float64Array; deviations: Float64Array } {
  if (options.aggregation !== "sum_then_normalize") return normalizeThenSum(rows, options);
  const advantages = new Float64Array(rows.length).fill(Number.NaN);
  const centers = new Float64Array(rows.length).fill(Number.NaN);
  const deviations = new Float64Array(rows.length).fill(Number.NaN);
  const rewards = rows.map((row) => (row.role === "train" ? outcome(row) : Number.NaN));
  const batchDeviation = options.scale === "batch" ? deviation(rewards, options) : Number.NaN;
  for (const members of trainedGroups(rows)) {
    const group = members.map((i) => rewards[i]!);
    const single = members.length === 1;
    const center = single && options.single === "reward" ? 0 : mean(group);
    const width = options.scale === "batch" ? batchDeviation : single ? 1 : deviation(group, options);
    for (const i of members) {
      const centered = rewards[i]! - center;
      advantages[i] = options.scale === "none" ? centered : centered / (width + options.epsilon);
      centers[i] = center;
      deviations[i] = width;
    }
  }
  return { advantages, centers, deviations };
}

function deviation(values: ArrayLike<number>, options: GroupAdvantageOptions): number {
  const width = standardDeviation(values, options.std);
  return width ** 2 < options.variance_floor ? Math.sqrt(options.variance_floor) : width;
}

/** Each component z-scored in its group; their weighted sum, over the batch too if so asked. An absent component counts 0. */
function normalizeThenSum(rows: readonly Row[], options: GroupAdvantageOptions) {
  const { epsilon, weights } = options;
  const sums = new Float64Array(rows.length).fill(Number.NaN);
  for (const members of trainedGroups(rows)) {
    for (const name of Object.keys(weights)) {
      const values = members.map((i) => componentValue(rows[i]!, name));
      const center = mean(values);
      const width = members.length > 1 ? deviation(values, options) : 0;
      members.forEach((i, k) => {
        if (Number.isNaN(values[k]!)) return;
        const score = (values[k]! - center) / (width + epsilon);
        sums[i] = (Number.isNaN(sums[i]!) ? 0 : sums[i]!) + (Number.isNaN(score) ? 0 : score * weights[name]!);
      });
    }
  }
  const constant = (value: number) => new Float64Array(rows.length).fill(value);
  if (options.aggregation === "normalize_each")
    return { advantages: sums, centers: constant(0), deviations: constant(1) };
  const center = mean(sums);
  const width = deviation(sums, options);
  const advantages = sums.map((sum) => (sum - center) / (width + epsilon));
  return { advantages, centers: constant(center), deviations: constant(width) };
}

function componentValue(row: Row, name: string): number {
  const component = row.components[name];
  if (component === undefined || component === null) return Number.NaN;
  return component.unit === "episode" ? component.values[0]! : component.values.reduce((sum, value) => sum + value, 0);
}

/** Estimator of {@link groupAdvantages}: every trained action of a row gets the row's advantage. */
export function groupEstimator(options: GroupAdvantageOptions): AdvantageEstimator {
  return { needs: {}, estimate: (rows) => spread(rows, groupAdvantages(rows, options).advantages) };
}

/**
 * Fraction of rows whose deviation is 0 (to within 1e-8), as TRL counts groups that teach nothing; the metric `group/zero_std` of
 * a run is the fraction of groups.
 */
export function zeroDeviationFraction(deviations: Float64Array): number {
  return deviations.reduce((count, value) => count + (Math.abs(value) <= 1e-8 ? 1 : 0), 0) / deviations.length;
}
