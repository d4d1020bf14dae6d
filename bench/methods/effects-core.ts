import { parse } from "yaml";
import { budget, type Effect, type FinishedRun, lastMetric, mean, meanMetric, meanOver, start } from "./effect.js";
import {
  commonest,
  easyAndHard,
  firstDigit,
  longPrompt,
  manyAnswers,
  mazes,
  noisyLabels,
  rareTactics,
  recall,
  recallCold,
  recallTaught,
  twoStrategies,
} from "./tasks-core.js";
import { filler } from "./tasks-rewards.js";

const accuracy = lastMetric("eval/accuracy");
const reward = meanMetric("reward/mean", 10);
/** Updates far from the policy that sampled. */
const stale = budget(40, { updates: 4, minibatches: 2, rate: 1e-3 });

const rightAnswers = (run: FinishedRun) => run.last(10).filter(({ reward }) => reward > 0.5);
const manyAnswersClaims: Effect["claims"] = [
  {
    what: "different right answers per question (of 8), last 10 steps",
    want: "higher",
    of: (run) => new Set(rightAnswers(run).map(({ prompt, completion }) => prompt + completion)).size / 4,
  },
  {
    what: "share of right responses with the commonest answer, last 10 steps",
    want: "lower",
    of: (run) =>
      mean(rightAnswers(run).map(({ prompt, completion }) => Number(completion.startsWith(commonest(prompt))))),
  },
  { what: "share of right responses, last 10 steps", want: "kept", of: meanMetric("reward/accuracy/mean", 10) },
];

/** Methods that change advantages, clipping or aggregation. */
export const coreEffects: readonly Effect[] = [
  {
    method: "grpo",
    task: recall,
    shared: budget(100),
    against: "the warm start",
    baseline: start,
    claims: [{ what: "reward, last 10 steps", want: "higher", of: reward }],
  },
  {
    method: "dapo",
    task: rareTactics,
    shared: budget(60, { minibatches: 4 }),
    against: "GRPO",
    baseline: {},
    claims: [
      { what: "entropy, last 10 steps", want: "higher", of: meanMetric("entropy/mean", 10) },
      {
        what: "share of trained groups without signal, last step",
        want: "lower",
        of: (run) => {
          const rewards = new Map<number, Set<number>>();
          for (const { group, reward } of run.last(1))
            rewards.set(group, (rewards.get(group) ?? new Set()).add(reward));
          return mean([...rewards.values()].map(({ size }) => Number(size === 1)));
        },
      },
    ],
  },
  {
    method: "dr-grpo",
    task: filler,
    shared: budget(100),
    against: "GRPO",
    baseline: { extends: "recipe:grpo", objective: { kl: { coefficient: 0 } } },
    claims: [
      {
        what: "tokens of wrong responses, last 20 steps",
        want: "lower",
        of: meanOver(
          20,
          (row) => row.tokens.length,
          (row) => row.reward === 0,
        ),
      },
      { what: "accuracy, last 10 steps", want: "kept", of: meanMetric("reward/accuracy/mean", 10) },
    ],
  },
  {
    method: "gspo",
    task: filler,
    shared: budget(100, { minibatches: 4 }),
    against: "GRPO, as many minibatches",
    baseline: {},
    claims: [
      { what: "accuracy, last 10 steps", want: "kept", of: meanMetric("reward/accuracy/mean", 10) },
      {
        what: "share of clipped actions (GSPO clips far more and learns all the same)",
        want: "higher",
        of: meanMetric("ratio/clip_region"),
      },
    ],
  },
  {
    method: "cispo",
    task: recall,
    shared: stale,
    against: "GRPO, as many updates per rollout",
    baseline: {},
    claims: [{ what: "reward over the run", want: "higher", of: meanMetric("reward/mean") }],
  },
  {
    method: "rloo",
    task: recall,
    shared: budget(100),
    against: "GRPO, as much KL",
    baseline: { objective: { kl: { coefficient: 0.05, estimator: "k1", placement: "reward" } } },
    claims: [{ what: "reward, last 10 steps", want: "kept", of: reward }],
  },
  {
    method: "unlikeliness-reward",
    task: rareTactics,
    shared: { ...budget(150, { prompts: 16, group: 32, updates: 2 }), eval: { samples: 32 } },
    against: "GRPO, as many updates and as much KL",
    baseline: {
      objective: { aggregation: "token_mean", kl: { coefficient: 0.1, estimator: "k3", limit: 10 } },
    },
    claims: [
      { what: "pass@32, problems never trained on", want: "higher", of: lastMetric("eval/pass@32") },
      { what: "pass@1", want: "kept", of: accuracy },
    ],
  },
  {
    method: "unlikeliness-reward",
    task: manyAnswers,
    shared: budget(60, { group: 32, updates: 2 }),
    against: "GRPO, as many updates and as much KL",
    baseline: {
      objective: { aggregation: "token_mean", kl: { coefficient: 0.1, estimator: "k3", limit: 10 } },
    },
    claims: manyAnswersClaims,
  },
  {
    method: "rep-exp",
    task: rareTactics,
    shared: { ...budget(150, { prompts: 16 }), eval: { samples: 32 } },
    against: "GRPO",
    baseline: { objective: { aggregation: "token_mean" } },
    claims: [
      { what: "pass@32, problems never trained on", want: "higher", of: lastMetric("eval/pass@32") },
      { what: "entropy, last 10 steps", want: "higher", of: meanMetric("entropy/mean", 10) },
      { what: "pass@1", want: "kept", of: accuracy },
    ],
  },
  {
    method: "rep-exp",
    task: manyAnswers,
    shared: budget(60, { group: 32 }),
    against: "GRPO",
    baseline: { objective: { aggregation: "token_mean" } },
    claims: manyAnswersClaims,
  },
  {
    method: "seed-grpo",
    task: noisyLabels,
    shared: budget(60),
    against: "Dr. GRPO",
    baseline: { extends: "recipe:dr-grpo" },
    recipe: () => parse("advantage: {then: [{kind: semantic_entropy, alpha: 1, form: inverse, entropy: rao}]}"),
    claims: [
      {
        what: "share of noisy questions in the sum of absolute advantages, last 20 steps",
        want: "lower",
        of: (run) => {
          const weight = (kind: string) =>
            run
              .last(20)
              .filter(({ prompt }) => prompt.startsWith(kind))
              .reduce((sum, { advantage }) => sum + Math.abs(advantage[0] ?? 0), 0);
          return weight("n") / (weight("n") + weight("e"));
        },
      },
      {
        what: "accuracy on easy questions, last 10 steps",
        want: "kept",
        of: meanOver(
          10,
          (row) => row.reward,
          (row) => row.prompt.startsWith("e"),
        ),
      },
    ],
  },
  {
    method: "tempo-tree",
    task: firstDigit,
    shared: { ...budget(25, { rate: 1e-3 }), objective: { epsilon_high: 0.28, aggregation: "token_mean" } },
    against: "GRPO, same clip and mean",
    baseline: {},
    claims: [
      { what: "share with the deciding digit right, mean of 25 steps", want: "higher", of: meanMetric("reward/mean") },
      {
        what: "entropy of the digits that do not matter, last 5 steps",
        want: "higher",
        of: meanOver(5, ({ logprobs }) => -logprobs.slice(1, 6).reduce((sum, x) => sum + x, 0) / 5),
      },
    ],
  },
  {
    method: "riskpo",
    task: easyAndHard,
    shared: budget(60, { prompts: 20, minibatches: 4 }),
    against: "GRPO, as many minibatches",
    baseline: {},
    claims: [
      { what: "entropy, mean of the run", want: "higher", of: meanMetric("entropy/mean") },
      {
        what: "success on hard questions, mean of the run",
        want: "higher",
        of: meanOver(
          1000,
          (row) => row.reward,
          (row) => row.prompt.startsWith("h"),
        ),
      },
    ],
  },
  {
    method: "stratified-grpo",
    task: twoStrategies,
    shared: budget(400),
    against: "GRPO, as much KL",
    baseline: { objective: { aggregation: "token_mean", kl: { coefficient: 0.001, estimator: "k3" } } },
    recipe: () => ({ advantage: { key: { component: "search" }, alpha: 1 } }),
    claims: [
      { what: "share that search, last 10 steps", want: "higher", of: meanMetric("reward/search/mean", 10) },
      { what: "reward, last 10 steps", want: "higher", of: meanMetric("reward/accuracy/mean", 10) },
    ],
  },
  {
    method: "rec-offpolicy",
    task: recall,
    shared: budget(40, { updates: 8, minibatches: 2, rate: 1e-3 }),
    against: "REINFORCE (clip none), as many updates per rollout",
    baseline: { extends: "recipe:rec-offpolicy", objective: { clip: "none" } },
    claims: [{ what: "reward, last 10 steps", want: "higher", of: reward }],
  },
  {
    method: "reg-grpo",
    task: recall,
    shared: stale,
    against: "GRPO, as many updates and as much KL",
    baseline: { objective: { kl: { coefficient: 0.1, estimator: "k3", placement: "loss" } } },
    claims: [{ what: "reward, last 10 steps", want: "higher", of: reward }],
  },
  {
    method: "llds",
    task: recall,
    shared: budget(40, { updates: 8, minibatches: 2, rate: 1e-3 }),
    against: "GRPO (coefficient 0), as many updates per rollout",
    baseline: {
      extends: "recipe:llds",
      objective: {
        terms: [
          { kind: "likelihood_preserve", coefficient: 0, gate: "action" },
          { kind: "entropy", coefficient: 0.001 },
        ],
      },
    },
    claims: [
      {
        what: "fall of log-prob of tokens with advantage >= 0 within a rollout's updates",
        want: "lower",
        of: meanMetric("llds/delta_positive"),
      },
      { what: "reward, last 10 steps", want: "higher", of: reward },
    ],
  },
  {
    method: "kdrl",
    task: recallCold,
    shared: budget(200, { group: 32, rate: 1e-3 }),
    against: "GRPO (coefficient 0)",
    baseline: { extends: "recipe:kdrl", objective: { terms: [{ kind: "distill", coefficient: 0 }] } },
    both: async (workshop) => ({
      models: { teacher: { kind: "path", path: await workshop.warmStart(recallTaught) } },
    }),
    // The published 0.002 is for a teacher near the policy.
    recipe: () => ({ objective: { terms: [{ kind: "distill", coefficient: 0.1 }] } }),
    claims: [
      {
        what: "mean log-prob less the teacher's, last 10 steps",
        want: "lower",
        of: meanMetric("distill/distance", 10),
      },
      { what: "reward, last 10 steps", want: "higher", of: reward },
    ],
  },
  {
    method: "gigpo",
    task: mazes,
    shared: {
      ...budget(60, { rate: 1e-3 }),
      rollout: { group_size: 16, environment: { kind: "grid_world", max_turns: 6, max_turn_tokens: 2 } },
    },
    against: "GRPO (step_weight 0)",
    baseline: { extends: "recipe:gigpo", advantage: { step_weight: 0 } },
    claims: [
      { what: "share that reaches the goal, mean of the run", want: "higher", of: meanMetric("reward/mean") },
      { what: "share that reaches the goal, last 10 steps", want: "higher", of: reward },
    ],
  },
  {
    method: "prefix-grouper",
    task: longPrompt,
    shared: budget(10),
    against: "the same with shared_prefix off",
    baseline: { train: { shared_prefix: "off" } },
    claims: [
      { what: "seconds per update, 200 tokens of prompt", want: "lower", of: meanMetric("time/update_s") },
      { what: "reward, mean of the run", want: "kept", of: meanMetric("reward/mean") },
    ],
  },
  {
    method: "ppo",
    task: recall,
    shared: budget(100, { minibatches: 2 }),
    against: "GRPO, as many completions and as much KL",
    baseline: { objective: { kl: { coefficient: 0.05, estimator: "k1", placement: "reward" } } },
    recipe: () => ({ rollout: { group_size: 1 }, train: { prompts_per_step: 128 } }),
    claims: [{ what: "reward, last 10 steps", want: "kept", of: reward }],
  },
  ...[
    "bnpo",
    "geometric-mean",
    "gpg",
    "gspo-token",
    "opo",
    "reinforce-pp",
    "reinforce-pp-baseline",
    "remax",
    "sapo",
  ].map(
    (method): Effect => ({
      method,
      task: recall,
      shared: budget(100, { minibatches: 2 }),
      against: "GRPO, as many minibatches",
      baseline: {},
      claims: [{ what: "reward, last 10 steps", want: "kept", of: reward }],
    }),
  ),
];
