import { makeAdvantage } from "../../../src/algorithms/advantage/registry.js";
import { type SpanGroupConfig, spanAdvantages } from "../../../src/algorithms/advantage/span-group.js";
import { newlineItems, rankSpans } from "../../../src/algorithms/spans/newline.js";
import type { Row } from "../../../src/algorithms/types.js";
import { advantageSchema } from "../../../src/config/schema/advantage.js";
import {
  adjustLoss,
  adjustScores,
  reflectScores,
  remapScores,
  teacherWeights,
  topItems,
} from "../../../src/data/list-scores.js";
import { parseList } from "../../../src/rewards/recommendation/parse-list.js";
import { catalogKey, dcgDiscounts, rankHits, rankRewards } from "../../../src/rewards/recommendation/rank-rewards.js";
import { type Data, mask, numbers, type Op, row } from "../adapter.js";
import { evaluate } from "./grpo-core-losses.js";

export const system = "rank-grpo";

const reward =
  (form: "exp_inf" | "log_decay" | "exp_gamma"): Op =>
  (inputs, params) => {
    const catalog = new Set<string>(inputs.catalog.map(([title, year]: [string, number]) => catalogKey(title, year)));
    const options = { maxItems: params.rec_num, yearTolerance: params.year_tolerance, ranks: "parsed" as const };
    return {
      rewards: inputs.completions.map((text: string, i: number) => {
        const truth = { groundTruth: inputs.ground_truth[i], seen: new Set<string>(inputs.seen_titles[i]), catalog };
        return rankRewards(rankHits(parseList(text), truth, options), form, params.gamma ?? 1);
      }),
    };
  };

/** Tokens up to and including the first end token. */
function ownLength(ids: number[], eos: number): number {
  const at = ids.indexOf(eos);
  return at < 0 ? ids.length : at + 1;
}

export const ops: Record<string, Op> = {
  parse_recommendations: ({ text }) => ({
    error: false,
    recs: parseList(text).map(({ title, year }) => [title, year]),
  }),

  "reward.exp_inf": reward("exp_inf"),
  "reward.log_decay": reward("log_decay"),
  "reward.exp_gamma": reward("exp_gamma"),

  dcg_discounts: (_, { rec_num }) => ({ discounts: dcgDiscounts(rec_num) }),

  rank_advantage: (inputs, params) => {
    const width = inputs.completion_ids[0].length;
    const items: Int32Array[] = [];
    const rows: Row[] = inputs.completion_ids.map((ids: number[], i: number) => {
      const length = ownLength(ids, params.eos_id);
      items.push(newlineItems(ids.slice(0, length).map((id) => inputs.vocab[String(id)])));
      return row({
        length,
        group: Math.floor(i / params.num_generations),
        components: { rank: { unit: "span", values: numbers(inputs.rank_rewards[i]) } },
        spans: { rank: rankSpans(items[i]!, params.rec_num) },
        terminated: ids.includes(params.eos_id),
      });
    });
    const shaping = {
      kind: "list_length",
      positions: params.rec_num,
      extra: params.extra_token_penalty,
      complete: params.end_of_list_reward,
      early: params.early_stop_penalty,
    };
    const config = advantageSchema.parse({
      kind: "span_group",
      positions: params.rec_num,
      scale: params.scale_rewards ? "group" : "none",
      epsilon: params.eps,
      // biome-ignore lint/suspicious/noThenProperty: a key of the configuration.
      then: params.length_shaping ? [shaping] : [],
    });
    const weights = { rank: 1 };
    const pad = (values: ArrayLike<number>, filler: number) =>
      Array.from({ length: width }, (_, t) => values[t] ?? filler);
    const masks = rows.map((one) => pad(one.mask, 0));
    return {
      completion_mask: masks,
      item_token_mask: masks,
      item_seg_ids: items.map((ids) => pad(ids, -1)),
      overflow_mask: rows.map((one) =>
        pad(
          one.spans.rank!.map((id) => (id === params.rec_num ? 1 : 0)),
          0,
        ),
      ),
      rank_advantages: spanAdvantages(rows, config as SpanGroupConfig, weights),
      token_advantages: makeAdvantage(config, { weights })
        .estimate(rows)
        .map((values) => pad(values, 0)),
      items_emitted: items.map((ids) => ids.at(-1)! + 1),
    };
  },

  rank_loss: (inputs, params) => {
    const rows: Row[] = inputs.logps.map((logps: number[], i: number) =>
      row({
        length: logps.length,
        mask: mask(inputs.item_token_mask[i]),
        advantage: numbers(inputs.token_advantages[i]),
        spans: { rank: rankSpans(Int32Array.from(inputs.item_seg_ids[i]), params.rec_num) },
        ...(inputs.old_logps == null ? {} : { old: numbers(inputs.old_logps[i]) }),
        ...(inputs.ref_logps == null ? {} : { reference: numbers(inputs.ref_logps[i]) }),
      }),
    );
    const aggregation: Record<string, string> = {
      bnpo: "token_mean",
      dapo: "token_mean",
      grpo: "sequence_mean_token_mean",
      dr_grpo: "sequence_mean_token_sum_norm",
    };
    const config = {
      level: { span: "rank" },
      epsilon_low: params.epsilon_low,
      epsilon_high: params.epsilon_high,
      aggregation: aggregation[params.loss_type],
      kl: { coefficient: params.beta, ...(params.kl === undefined ? {} : { estimator: params.kl }) },
    };
    return evaluate(rows, inputs.logps, config, params.max_completion_length);
  },

  sft_scores: (inputs, { lam, gamma, reg }) => {
    const p = teacherWeights(inputs.teacher_order, inputs.item_item_similarity.length);
    const remap = remapScores(p, inputs.item_item_similarity, inputs.exact_match, inputs.context_scores, lam);
    const reflect = reflectScores(remap, inputs.reflect_ratings, gamma);
    const final = adjustScores(reflect, inputs.w, inputs.b);
    return {
      p,
      s_remap: remap,
      s_reflect: reflect,
      s_final: final,
      top3: topItems(final, 3),
      adjust_objective: adjustLoss(final, inputs.positives, inputs.w, inputs.b, reg),
    };
  },
} satisfies Record<string, (inputs: Data, params: Data) => unknown>;
