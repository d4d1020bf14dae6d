import { makeAdvantage } from "../../../src/algorithms/advantage/registry.js";
import { type Pooling, poolHidden } from "../../../src/algorithms/pooling.js";
import { multiLabelRegression } from "../../../src/algorithms/reward-model/multi-label.js";
import { normalizeWeights, weightedSumShaper } from "../../../src/algorithms/shape/weighted-sum.js";
import type { Row } from "../../../src/algorithms/types.js";
import { advantageSchema } from "../../../src/config/schema/advantage.js";
import { type Data, mask, numbers, type Op, row } from "../adapter.js";

export const system = "multi-objective-grpo";

/** Cuts an array into rows of `width`. */
const matrix = (values: Float64Array, width: number) =>
  Array.from({ length: values.length / width }, (_, i) => values.slice(i * width, (i + 1) * width));

export const ops: Record<string, Op> = {
  weighted_multi_reward: (inputs, { weights: list, group_size, eps }) => {
    const dims: string[] = inputs.dims;
    const weights = Object.fromEntries(dims.map((name, k) => [name, list[k]]));
    const rows: Row[] = inputs.scores.map((scores: number[], i: number) =>
      row({
        length: 1,
        group: Math.floor(i / group_size),
        components: Object.fromEntries(
          dims.map((name, k) => [name, { unit: "episode", values: numbers([scores[k]!]) }]),
        ),
      }),
    );
    weightedSumShaper({ weights, gate: null }, { weights: {} }).shape(rows);
    const advantages = (config: Data) =>
      makeAdvantage(advantageSchema.parse({ epsilon: eps, ...config }), { weights: normalizeWeights(weights) })
        .estimate(rows)
        .map((values) => values[0]);
    return {
      reward: rows.map(({ reward }) => reward),
      adv_sample_std: advantages({}),
      adv_population_std: advantages({ std: "population" }),
      adv_centered: advantages({ scale: "none" }),
      adv_normalise_each_dim_then_sum: advantages({ aggregation: "normalize_each" }),
    };
  },

  weight_normalisation: ({ weights }) => ({
    normalised: Object.values(
      normalizeWeights(Object.fromEntries(weights.map((w: number, k: number) => [`w${k}`, w]))),
    ),
  }),

  multi_label_regression: (inputs, { activation }) => {
    const labels = inputs.b.length;
    const { predictions, loss, dweight, dbias } = multiLabelRegression(
      {
        pooled: numbers(inputs.pooled.flat()),
        targets: numbers(inputs.targets.flat()),
        known: mask(inputs.mask.flat()),
      },
      { weight: numbers(inputs.W.flat()), bias: numbers(inputs.b), activation },
    );
    return { pred: matrix(predictions, labels), loss, dW: matrix(dweight, inputs.W[0].length), db: dbias };
  },

  pooling: (inputs) => {
    const pool = (pooling: Pooling) =>
      inputs.hidden.map((states: number[][], i: number) =>
        poolHidden(numbers(states.flat()), mask(inputs.mask[i]), pooling),
      );
    return { mean: pool("mean"), cls: pool("cls"), last: pool("last") };
  },
};
