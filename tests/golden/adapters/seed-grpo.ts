import { makeAdvantage } from "../../../src/algorithms/advantage/registry.js";
import { clusterAnswers, entropyFactor, semanticEntropy } from "../../../src/algorithms/advantage/semantic-entropy.js";
import { maskedSum } from "../../../src/algorithms/objective/aggregation.js";
import { mean } from "../../../src/algorithms/statistics.js";
import type { Row } from "../../../src/algorithms/types.js";
import { advantageSchema } from "../../../src/config/schema/advantage.js";
import { numbers, type Op, row } from "../adapter.js";

export const system = "seed-grpo";

const forms = ["linear", "exp", "focal", "inverse"] as const;
const alphas = ["0.0417", "0.5", "1.0"];

export const ops: Record<string, Op> = {
  seed_grpo: (inputs, { focal_gamma }) => {
    const rows: Row[] = inputs.token_logps.map((logps: number[], i: number) =>
      row({
        length: logps.length,
        rollout: numbers(logps),
        reward: inputs.rewards[i],
        answer: inputs.answers[i],
      }),
    );
    const clusters = clusterAnswers(inputs.answers);
    const entropies = {
      length_norm: semanticEntropy(
        clusters,
        rows.map(({ rollout }) => mean(rollout!)),
      ),
      sum: semanticEntropy(
        clusters,
        rows.map(({ rollout, mask }) => maskedSum(rollout!, mask)),
      ),
    };
    const scaled = Object.fromEntries(
      forms.flatMap((form) =>
        alphas.map((alpha) => {
          const step = { kind: "semantic_entropy", alpha: Number(alpha), form, gamma: focal_gamma };
          // biome-ignore lint/suspicious/noThenProperty: a key of the configuration.
          const config = advantageSchema.parse({ kind: "group", scale: "none", then: [step] });
          const options = { alpha: Number(alpha), form, gamma: focal_gamma };
          return [
            `${form}:${alpha}`,
            {
              scale: entropyFactor(entropies.length_norm.rao, rows.length, options),
              advantages: makeAdvantage(config)
                .estimate(rows)
                .map((values) => values[0]),
            },
          ];
        }),
      ),
    );
    return {
      cluster_ids: clusters,
      se_max: Math.log(rows.length),
      entropy: Object.fromEntries(
        Object.entries(entropies).map(([name, { probabilities, rao, mc, discrete }]) => [
          name,
          { cluster_probs: probabilities, se_rao: rao, se_mc: mc, se_discrete: discrete },
        ]),
      ),
      scaled_from_rao_length_norm: scaled,
    };
  },
};
