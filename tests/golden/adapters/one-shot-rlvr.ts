import { makeAdvantage } from "../../../src/algorithms/advantage/registry.js";
import { makeObjective } from "../../../src/algorithms/objective/registry.js";
import { emptyTally, metricValues } from "../../../src/algorithms/tally.js";
import type { Current, Row, RowGradient } from "../../../src/algorithms/types.js";
import { advantageSchema } from "../../../src/config/schema/advantage.js";
import { objectiveSchema } from "../../../src/config/schema/objective.js";
import { historicalVariance, learningImpact, ranked } from "../../../src/data/select.js";
import { Graph } from "../../../src/engine/graph.js";
import { linearLogprob } from "../../../src/engine/ops/linear-logprob.js";
import { packRows } from "../../../src/engine/ops/panels.js";
import { Parameter } from "../../../src/engine/parameter.js";
import { Tensor } from "../../../src/engine/tensor.js";
import { type Data, groupNumbers, mask, numbers, type Op, row } from "../adapter.js";

export const system = "One-Shot RLVR";

/** Log-probs and entropies of given logits, which an identity head leaves as they are; and their gradient, given one of those. */
function head(inputs: Data, temperature: number) {
  const width: number = inputs.token_ids[0].length;
  const vocab: number = inputs.logits[0][0].length;
  const count = inputs.logits.length * width;
  const identity = new Parameter("lm_head", "panels", [vocab, vocab], "f64", []);
  packRows(
    identity,
    0,
    Float64Array.from({ length: vocab * vocab }, (_, i) => (i % (vocab + 1) === 0 ? 1 : 0)),
  );
  const g = new Graph({ grad: true });
  const h = g.own(Tensor.from(inputs.logits.flat(2), [count, vocab], "f64"));
  const ids = Int32Array.from(inputs.token_ids.flat());
  const rows = Int32Array.from(ids, (_, i) => i);
  const { logp, entropy } = linearLogprob(g, h, identity, { rows, ids, temperature, vocabSize: vocab });
  const cut = (values: Float64Array, size: number) =>
    Array.from({ length: values.length / size }, (_, i) => values.slice(i * size, (i + 1) * size));
  const [logps, entropies] = [cut(logp.toArray(), width), cut(entropy.toArray(), width)];
  const current: Current[] = logps.map((values, i) => ({ logp: values, entropy: entropies[i]! }));
  const backward = async (gradients: RowGradient[]) => {
    const flat = (pick: (gradient: RowGradient) => Float64Array) =>
      gradients.flatMap((gradient) => [...pick(gradient)]);
    g.seed(
      logp,
      Tensor.from(
        flat(({ dlogp }) => dlogp),
        [count],
        "f64",
      ),
    );
    const none = new Float64Array(width);
    g.seed(
      entropy,
      Tensor.from(
        flat(({ dentropy }) => dentropy ?? none),
        [count],
        "f64",
      ),
    );
    await g.backward();
    const dh = g.takeGradient(h)!;
    const dlogits = cut(dh.toArray(), vocab);
    dh.dispose();
    g.dispose();
    identity.dispose();
    return Array.from({ length: count / width }, (_, i) => dlogits.slice(i * width, (i + 1) * width));
  };
  return { current, backward };
}

function evaluate(rows: Row[], current: Current[], params: Data, klCoefficient: number) {
  const config = objectiveSchema.parse({
    coefficient: params.pg_coeff,
    epsilon_low: params.clip,
    epsilon_high: params.clip,
    kl: { coefficient: klCoefficient, ...(klCoefficient > 0 ? { limit: 10 } : {}) },
    terms: [{ kind: "entropy", coefficient: params.entropy_coeff }],
  });
  const objective = makeObjective(config, { maxCompletionTokens: 1 });
  const tally = emptyTally();
  const gradients = objective.rows([...rows.keys()], current, objective.prepare(rows, null), tally);
  return { loss: tally.loss, metrics: metricValues(tally), gradients };
}

const scores = (score: Map<string, number>) => ({ score: Object.fromEntries(score), order: ranked(score) });
const history = (inputs: Data) => new Map<string, number[]>(Object.entries(inputs.history));

/** GRPO advantages of rows in groups. */
function advantages(rewards: number[], groups: number[], { std, eps }: Data) {
  const rows = rewards.map((reward, i) => row({ length: 1, reward, group: groups[i]! }));
  const values = makeAdvantage(advantageSchema.parse({ std, epsilon: eps, single: "reward" })).estimate(rows);
  return { advantages: values.map((array) => array[0]) };
}

export const ops: Record<string, Op> = {
  historical_variance_rank: (inputs) => scores(historicalVariance(history(inputs))),
  learning_impact_score: (inputs) => scores(learningImpact(history(inputs))),
  grpo_advantage: (inputs, params) =>
    advantages(
      inputs.rewards,
      inputs.rewards.map(() => 0),
      params,
    ),
  grpo_advantage_grouped: (inputs, params) => advantages(inputs.rewards, groupNumbers(inputs.group), params),

  rlvr_loss_terms: async (inputs, params) => {
    const rows = inputs.old_log_prob.map((old: number[], i: number) =>
      row({
        length: old.length,
        mask: mask(inputs.response_mask[i]),
        old: numbers(old),
        reference: numbers(inputs.ref_log_prob[i]),
        advantage: numbers(inputs.advantages[i]),
      }),
    );
    const { current, backward } = head(inputs, params.temperature);
    const { loss, metrics, gradients } = evaluate(rows, current, params, params.kl_coeff);
    return {
      loss,
      pg_loss: metrics["policy/loss"],
      entropy: metrics["entropy/bonus"],
      // The reference reports the KL term even where its coefficient is 0.
      kl_loss: evaluate(rows, current, params, 1).metrics["kl/mean"],
      clipfrac: metrics["ratio/clip_region"],
      grad_logits: await backward(gradients),
    };
  },
};
