import { groupAdvantages } from "../../../src/algorithms/advantage/group.js";
import { makeAdvantage } from "../../../src/algorithms/advantage/registry.js";
import { Distill } from "../../../src/algorithms/objective/distill.js";
import { makeObjective } from "../../../src/algorithms/objective/registry.js";
import { scheduledValue } from "../../../src/algorithms/schedule.js";
import { emptyTally } from "../../../src/algorithms/tally.js";
import type { Row } from "../../../src/algorithms/types.js";
import { advantageSchema } from "../../../src/config/schema/advantage.js";
import { objectiveSchema, type PolicyConfig } from "../../../src/config/schema/objective.js";
import { type Data, mask, numbers, type Op, row } from "../adapter.js";

export const system = "kdrl";

const advantageConfig = (params: Data) => advantageSchema.parse({ std: params.std, epsilon: params.adv_eps });

/** Rows with group advantages, in groups of `group_size`. */
function groupRows(inputs: Data, params: Data): Row[] {
  const rows = inputs.logps.map((logps: number[], i: number) =>
    row({
      length: logps.length,
      group: Math.floor(i / params.group_size),
      mask: mask(inputs.mask[i]),
      reward: inputs.rewards[i],
      old: numbers(inputs.old_logps[i]),
      teacher: numbers(inputs.teacher_logps[i]),
    }),
  );
  const advantages = makeAdvantage(advantageConfig(params)).estimate(rows);
  rows.forEach((r: Row, i: number) => {
    r.advantage = advantages[i]!;
  });
  return rows;
}

/** Rows, log-probs and the objective with its distillation term. */
function setUp(inputs: Data, params: Data, mode: string) {
  const term = {
    kind: "distill",
    coefficient: params.beta,
    ...(params.kl === undefined ? {} : { estimator: params.kl }),
    mask: params.kd_mask,
    mask_end: params.eos_masked,
    mode,
  };
  const config = objectiveSchema.parse({
    epsilon_low: params.epsilon,
    epsilon_high: params.epsilon,
    terms: [term],
  }) as PolicyConfig;
  return {
    rows: groupRows(inputs, params),
    current: inputs.logps.map((logps: number[]) => ({ logp: numbers(logps) })),
    objective: makeObjective(config, { maxCompletionTokens: 1 }),
    term: new Distill(config.terms[0] as ConstructorParameters<typeof Distill>[0]),
  };
}

function evaluate({ rows, current, objective }: ReturnType<typeof setUp>) {
  const tally = emptyTally();
  const gradients = objective.rows([...rows.keys()], current, objective.prepare(rows, current), tally);
  return { loss: tally.loss, grad_logps: gradients.map(({ dlogp }) => dlogp) };
}

export const ops: Record<string, Op> = {
  kdrl_loss: (inputs, params) => {
    const setting = setUp(inputs, params, "joint");
    const options = { ...advantageConfig(params), weights: {} } as Parameters<typeof groupAdvantages>[1];
    return { ...evaluate(setting), advantages: groupAdvantages(setting.rows, options).advantages };
  },
  kdrl_additive_advantage: (inputs, params) => {
    const setting = setUp(inputs, params, "additive");
    const { rows, current, term } = setting;
    const minibatch = { rows, masks: rows.map((r) => r.mask), policyMasks: [], coefficients: numbers([]) };
    const state = term.prepare({ ...minibatch, counts: {}, current });
    const shifted = rows.map((r, i) => term.advantage(i, current[i], state, r.advantage!));
    return { token_advantages: shifted, ...evaluate(setting) };
  },
  kdrl_beta: (inputs, { kind, beta_init, beta_min, anneal_steps }) => {
    const schedule = kind === "constant" ? beta_init : { kind, start: beta_init, end: beta_min, steps: anneal_steps };
    return { beta: inputs.steps.map((step: number) => scheduledValue(schedule, step)) };
  },
};
