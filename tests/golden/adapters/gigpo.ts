import { gigpoAdvantages } from "../../../src/algorithms/advantage/gigpo.js";
import { makeAdvantage } from "../../../src/algorithms/advantage/registry.js";
import { stepGroups } from "../../../src/algorithms/advantage/step-groups.js";
import { stepRecords } from "../../../src/algorithms/advantage/step-records.js";
import { makeFilter } from "../../../src/algorithms/filter/zero-variance.js";
import { maskedSum } from "../../../src/algorithms/objective/aggregation.js";
import { isSimilar, similarityRatio } from "../../../src/algorithms/text-similarity.js";
import type { Row } from "../../../src/algorithms/types.js";
import { advantageSchema } from "../../../src/config/schema/advantage.js";
import { parseSearchAction, parseTextAction } from "../../../src/rollout/environments/text-action.js";
import { groupNumbers, type Op, row } from "../adapter.js";

export const system = "gigpo";

export const ops: Record<string, Op> = {
  gigpo_advantage: (inputs, params) => {
    const config = advantageSchema.parse({
      kind: "gigpo",
      scale: params.mode === "mean_norm" ? "none" : "group",
      step_weight: params.step_advantage_w,
      gamma: params.gamma,
      invalid_penalty: params.invalid_action_penalty_coef,
      epsilon: params.epsilon,
    });
    const options = config as Parameters<typeof gigpoAdvantages>[1];
    const groups = groupNumbers(inputs.group);
    const trajectories = groupNumbers(inputs.trajectory);
    const rows: Row[] = inputs.response_len.map((length: number, i: number) => {
      const step = {
        start: 0,
        end: length,
        anchor: inputs.anchor[i],
        reward: inputs.step_reward[i],
        valid: inputs.action_valid[i],
        meta: {},
      };
      return row({
        length,
        group: groups[i]!,
        trajectory: trajectories[i]!,
        reward: inputs.episode_reward[i],
        steps: [step],
      });
    });
    const steps = stepRecords(rows);
    const result = gigpoAdvantages(steps, options);
    const advantages = makeAdvantage(config).estimate(rows);
    return {
      step_return: result.returns,
      step_return_penalized: result.penalised,
      episode_score_penalized: result.scores,
      step_group: result.groups,
      episode_adv_per_row: result.episode,
      episode_adv_per_row_across_trajectories: gigpoAdvantages(steps, { ...options, stats_over: "trajectories" })
        .episode,
      step_adv_per_row: result.step,
      advantage_per_row: result.advantages,
      advantage_token_sum: advantages.reduce((sum, values, i) => sum + maskedSum(values, rows[i]!.mask), 0),
    };
  },

  similarity_ratio: ({ strings, pairs }) => {
    const over = (threshold: number) => pairs.map(([i, j]: number[]) => isSimilar(strings[i!], strings[j!], threshold));
    return {
      ratio: pairs.map(([i, j]: number[]) => similarityRatio(strings[i!], strings[j!])),
      "similar_at_0.95": over(0.95),
      "similar_at_0.9": over(0.9),
    };
  },

  step_groups_similarity: ({ group, anchor }, { threshold }) => {
    const groups = groupNumbers(group);
    return {
      step_group: stepGroups(
        anchor.map((text: string, i: number) => ({ group: groups[i]!, anchor: text })),
        threshold,
      ),
    };
  },

  parse_action: ({ texts }, { env, tail }) => {
    const parsed = texts.map((text: string) =>
      env === "search" ? parseSearchAction(text) : parseTextAction(text, tail),
    );
    return {
      actions: parsed.map(({ action }: { action: string }) => action),
      valid: parsed.map(({ valid }: { valid: boolean }) => Number(valid)),
    };
  },

  filter_uniform_groups: ({ episode_reward }, { groups, group_size }) => {
    const decide = makeFilter({ zero_variance: "drop" });
    const members = Array.from({ length: groups }, (_, g) =>
      Array.from({ length: group_size }, (_, k) => g * group_size + k),
    );
    return { kept: members.filter((rows) => decide(rows.map((i) => episode_reward[i])) === "train").flat() };
  },
};
