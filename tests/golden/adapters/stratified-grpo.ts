import {
  type StratifiedConfig,
  stratifiedAdvantages,
  stratumDecomposition,
} from "../../../src/algorithms/advantage/stratified.js";
import { stratumKey } from "../../../src/algorithms/stratum-key.js";
import { advantageSchema } from "../../../src/config/schema/advantage.js";
import { type Data, numbers, type Op, row } from "../adapter.js";

export const system = "stratified-grpo";

const configOf = (options: Data) => advantageSchema.parse({ kind: "stratified", ...options }) as StratifiedConfig;

export const ops: Record<string, Op> = {
  stratified_advantage: (inputs, { alpha, std, epsilon }) => {
    const labels = [...new Set(inputs.stratum)];
    const rows = inputs.reward.map((reward: number | null, i: number) =>
      row({
        length: 1,
        reward: numbers([reward])[0]!,
        components: { stratum: { unit: "episode", values: Float64Array.of(labels.indexOf(inputs.stratum[i])) } },
      }),
    );
    const config = configOf({ alpha, std, epsilon, key: { component: "stratum" } });
    const { group, stratum, blended } = stratifiedAdvantages(rows, config);
    return { global: group, stratified: stratum, blended };
  },
  cross_stratum_decomposition: (inputs) => {
    const { group, within, bias, gap } = stratumDecomposition(inputs.reward, inputs.stratum);
    return {
      unnormalised_global: group,
      unnormalised_stratified: within,
      cross_stratum_bias: bias,
      variance_gap: gap,
    };
  },
  search_count_stratum: (inputs) => ({
    count: inputs.texts.map((text: string) => stratumKey(row({ length: 1, text }), configOf({}))),
  }),
};
