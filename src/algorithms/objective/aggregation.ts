import type { PolicyConfig } from "../../config/schema/objective.js";
import type { Counts } from "../types.js";

export interface AggregationOptions {
  aggregation: PolicyConfig["aggregation"];
  /** Divisor of the `_norm` forms. */
  constant: number;
  empty_rows: PolicyConfig["empty_rows"];
  /** Added to L_i by `sequence_mean_token_mean`; 0 unless given (verl's `agg_loss`: 1e-8). */
  lengthEpsilon?: number;
}

/** Counts of a minibatch that is all there is. */
export function countRows(masks: readonly Uint8Array[]): Counts {
  let actions = 0;
  let filledRows = 0;
  for (const mask of masks) {
    const trained = maskSum(mask);
    actions += trained;
    if (trained > 0) filledRows += 1;
  }
  return { rows: masks.length, filledRows, actions };
}

/**
 * The factor of each row's action losses: loss = sum_i c_i sum_t m_it l_it, with L_i = trained actions of row i,
 * n = rows, C = constant:
 *   token_mean 1 / sum_i L_i;  sequence_mean_token_mean 1 / (n L_i);  sequence_mean_token_sum 1 / n;
 *   sequence_mean_token_sum_norm 1 / (n C);  token_sum_norm 1 / C
 * Empty minibatches and rows divide by 1. With `counts` of a larger whole, shares add up to the loss of that whole.
 */
export function rowCoefficients(
  masks: readonly Uint8Array[],
  options: AggregationOptions,
  counts: Partial<Counts> = {},
): Float64Array {
  const { rows, filledRows, actions } = { ...countRows(masks), ...counts };
  const n = Math.max(options.empty_rows === "count" ? rows : filledRows, 1);
  return Float64Array.from(masks, (mask) => {
    switch (options.aggregation) {
      case "token_mean":
        return 1 / Math.max(actions, 1);
      case "sequence_mean_token_mean":
        return 1 / (n * (Math.max(maskSum(mask), 1) + (options.lengthEpsilon ?? 0)));
      case "sequence_mean_token_sum":
        return 1 / n;
      case "sequence_mean_token_sum_norm":
        return 1 / (n * options.constant);
      case "token_sum_norm":
        return 1 / options.constant;
    }
  });
}

/**
 * One number from losses per action, under the coefficients of {@link rowCoefficients}: the sum that objectives form row by row,
 * written out to be checked.
 */
export function aggregate(
  losses: readonly Float64Array[],
  masks: readonly Uint8Array[],
  options: AggregationOptions,
  counts: Partial<Counts> = {},
): number {
  const coefficients = rowCoefficients(masks, options, counts);
  return losses.reduce((total, values, i) => total + coefficients[i]! * maskedSum(values, masks[i]!), 0);
}

/** Sum over the actions where the mask is 1. */
export function maskedSum(values: Float64Array, mask: Uint8Array): number {
  let sum = 0;
  for (let t = 0; t < mask.length; t++) if (mask[t] === 1) sum += values[t]!;
  return sum;
}

/** Number of ones. */
export function maskSum(mask: Uint8Array): number {
  let sum = 0;
  for (let t = 0; t < mask.length; t++) sum += mask[t]!;
  return sum;
}
