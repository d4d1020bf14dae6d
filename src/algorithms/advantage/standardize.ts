import { type Deviation, mean, standardDeviation } from "../statistics.js";
import type { AdvantageTransform, Row } from "../types.js";

export interface StandardizeOptions {
  std: Deviation;
  epsilon: number;
}

/**
 * (A - mean) / (std + epsilon) where every row counts once, whatever its length: for estimators that give one advantage
 * per row (TRL's `normalize_advantages`). Rows with NaN are left out and stay NaN.
 */
export function standardizeTransform({ std, epsilon }: StandardizeOptions): AdvantageTransform {
  return {
    needs: {},
    apply: (rows, advantages) => {
      const perRow = advantages.map((values, i) => rowValue(rows[i]!, values));
      const center = mean(perRow);
      const width = standardDeviation(perRow, std) + epsilon;
      return advantages.map((values, i) =>
        values.map((value, t) => (rows[i]!.mask[t] === 1 ? (value - center) / width : 0)),
      );
    },
  };
}

/** Advantage of the row's first trained action; NaN for rows that are not trained. */
function rowValue(row: Row, values: Float64Array): number {
  const first = row.role === "train" ? row.mask.indexOf(1) : -1;
  return first < 0 ? Number.NaN : values[first]!;
}
