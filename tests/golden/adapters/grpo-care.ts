import { makeAdvantage } from "../../../src/algorithms/advantage/registry.js";
import { answerMask } from "../../../src/algorithms/answer-mask.js";
import { maskSum } from "../../../src/algorithms/objective/aggregation.js";
import { makeObjective } from "../../../src/algorithms/objective/registry.js";
import { answerConfidence, consistencyBonus } from "../../../src/algorithms/shape/consistency.js";
import { makeShapers } from "../../../src/algorithms/shape/registry.js";
import { emptyTally } from "../../../src/algorithms/tally.js";
import type { Row } from "../../../src/algorithms/types.js";
import { advantageSchema } from "../../../src/config/schema/advantage.js";
import { objectiveSchema } from "../../../src/config/schema/objective.js";
import { shapeSchema } from "../../../src/config/schema/shape.js";
import { advanceAverage } from "../../../src/engine/ops/blend.js";
import { Tensor } from "../../../src/engine/tensor.js";
import { formatReward } from "../../../src/rewards/format.js";
import { typedAnswerReward } from "../../../src/rewards/typed-answer.js";
import { numbers, type Op, row, sample } from "../adapter.js";

export const system = "grpo-care";

/** Token strings up to and with the first end token. */
function untilEnd(pieces: string[]): string[] {
  const end = pieces.indexOf("EOS");
  return end < 0 ? pieces : pieces.slice(0, end + 1);
}

const pad = (values: ArrayLike<number>, width: number) => Array.from({ length: width }, (_, t) => values[t] ?? 0);

export const ops: Record<string, Op> = {
  care_bonus_and_loss: (inputs, params) => {
    const width = inputs.policy_logprob[0].length;
    const shape = shapeSchema.parse([
      {
        kind: "consistency",
        span: "release",
        accuracy: "accuracy",
        coefficient: params.bonus_coefficient,
        upper: params.confidence_upper_bound,
        margin: params.consistency_margin ?? 0,
        length: params.len_control ? { min: params.min_gen_len, max: params.max_gen_len } : null,
      },
    ]);
    const config = shape[0] as Parameters<typeof consistencyBonus>[2];
    const rows: Row[] = inputs.token_strings.map((strings: string[], i: number) => {
      const pieces = untilEnd(strings);
      const [accuracy, format] = [inputs.accuracy[i], inputs.format[i]];
      return row({
        length: pieces.length,
        pieces,
        terminated: pieces.at(-1) === "EOS",
        reward: accuracy + format,
        components: { accuracy: { unit: "episode", values: Float64Array.of(accuracy) } },
        reference: numbers(inputs.ref_logprob[i]).subarray(0, pieces.length),
      });
    });
    const masks = rows.map((one) => answerMask(one.pieces!, one.terminated, config));
    const raw = rows.map((one, i) => answerConfidence(one.reference!, masks[i]!));
    const confidence = raw.map((p) => Math.min(p, params.confidence_upper_bound ?? p));
    const { selected, threshold, bonus } = consistencyBonus(inputs.accuracy, confidence, config);
    for (const shaper of makeShapers(shape)) shaper.shape(rows);
    const advantages = makeAdvantage(
      advantageSchema.parse({ std: params.std, epsilon: params.advantage_eps }),
    ).estimate(rows);
    rows.forEach((one, i) => {
      one.advantage = advantages[i]!;
    });
    const kl = params.beta === 0 ? {} : { coefficient: params.beta, estimator: "k3" };
    const objective = makeObjective(objectiveSchema.parse({ aggregation: "sequence_mean_token_mean", kl }), {
      maxCompletionTokens: width,
    });
    const current = inputs.policy_logprob.map((logp: number[], i: number) => ({
      logp: numbers(logp).subarray(0, rows[i]!.length),
    }));
    const tally = emptyTally();
    const gradients = objective.rows([...rows.keys()], current, objective.prepare(rows, null), tally);
    return {
      answer_mask: masks.map((mask) => pad(mask, width)),
      answer_len: masks.map(maskSum),
      confidence_raw: raw,
      confidence,
      selected_by_accuracy: selected,
      mean_selected_confidence: threshold,
      bonus,
      total_reward: rows.map(({ reward }) => reward),
      advantage: advantages.map((values) => values[0]),
      loss: tally.loss,
      grad_policy_logprob: gradients.map(({ dlogp }) => pad(dlogp, width)),
    };
  },

  care_accuracy: (inputs, { problem_type }) => {
    const score = typedAnswerReward({
      name: "accuracy",
      weight: 1,
      kind: "typed_answer",
      answer: "{solution}",
      type: problem_type,
      tag: "answer",
    });
    const samples = inputs.completions.map((text: string, i: number) =>
      sample(text, { solution: inputs.solutions[i] }),
    );
    return { reward: samples.map(score) };
  },

  care_format: (inputs) => {
    const pattern = "<think>.*?</think>\\s*<answer>.*?</answer>";
    const score = formatReward({ name: "format", weight: 1, kind: "format", pattern, partial: false });
    return { reward: inputs.completions.map((text: string) => score(sample(text))) };
  },

  ema_reference: (inputs, average) => {
    const slot = Tensor.from(inputs.init, [inputs.init.length], "f64");
    inputs.params_after_step.forEach((weights: number[], i: number) => {
      const policy = Tensor.from(weights, [weights.length], "f64");
      advanceAverage(average, i + 1, [slot], [policy]);
      policy.dispose();
    });
    const final = slot.toArray();
    slot.dispose();
    return { reference_final: final };
  },
};
