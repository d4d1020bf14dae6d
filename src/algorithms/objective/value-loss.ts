import { clamp } from "../statistics.js";
import { addMean } from "../tally.js";
import type { Current, Row } from "../types.js";
import { type AggregationOptions, rowCoefficients } from "./aggregation.js";
import { type Term, valueGradient } from "./term.js";

export interface ValueLossOptions {
  coefficient: number;
  /** How far a value may move from its old one before its gradient stops. */
  clip: number;
  aggregation: AggregationOptions;
}

interface ValueState {
  rows: readonly Row[];
  masks: readonly Uint8Array[];
  coefficients: Float64Array;
}

/**
 * PPO's value loss: coefficient 1/2 max( (V - returns)^2, (clip(V, V_old - clip, V_old + clip) - returns)^2 )
 * (as in verl; after Schulman et al. 2017, openai/baselines).
 */
export function valueLoss(options: ValueLossOptions): Term<ValueState> {
  return {
    needs: { value: true },
    prepare: ({ rows, masks, counts }) => ({
      rows,
      masks,
      coefficients: rowCoefficients(masks, options.aggregation, counts),
    }),
    add(index, current: Current, state, gradient, tally) {
      const { value } = current;
      const { value: old, returns } = state.rows[index]!;
      if (value === undefined || old === undefined || returns === undefined) {
        throw new Error("the value loss needs values, old values and returns");
      }
      const mask = state.masks[index]!;
      const factor = (options.coefficient * state.coefficients[index]!) / 2;
      const dvalue = valueGradient(gradient);
      let loss = 0;
      let squares = 0;
      let clipped = 0;
      let count = 0;
      for (let t = 0; t < mask.length; t++) {
        if (mask[t] !== 1) continue;
        const error = value[t]! - returns[t]!;
        const bounded = clamp(value[t]!, old[t]! - options.clip, old[t]! + options.clip) - returns[t]!;
        const clips = bounded ** 2 > error ** 2;
        loss += factor * (clips ? bounded ** 2 : error ** 2);
        dvalue[t]! += clips && bounded !== error ? 0 : factor * 2 * error;
        squares += error ** 2;
        clipped += clips ? 1 : 0;
        count += 1;
      }
      addMean(tally, "value/clip", clipped, count);
      addMean(tally, "value/error", squares, count);
      return loss;
    },
  };
}
