import { parse } from "yaml";
import { budget, type Effect, lastMetric, meanMetric, meanOver, start } from "./effect.js";
import { recallOne } from "./tasks-core.js";
import {
  cannedReplies,
  filler,
  hackableJudge,
  lists,
  maskedSums,
  sharedWords,
  statedThought,
  tailHits,
  wording,
} from "./tasks-rewards.js";
import { merge } from "./workshop.js";

/** Sampling as in training elsewhere in this bench: the recipe's would sharpen both sides. */
const wordingBudget = merge(budget(250, { rate: 3e-3 }), { rollout: { temperature: 1, top_p: 1, top_k: 0 } });

/** Methods that change rewards, data or how groups are drawn. */
export const rewardEffects: readonly Effect[] = [
  {
    method: "grpo-lambda",
    task: filler,
    shared: budget(100),
    against: "GRPO",
    baseline: { advantage: { std: "population" } },
    claims: [
      { what: "tokens per response, last 10 steps", want: "lower", of: meanMetric("length/mean", 10) },
      { what: "accuracy, last 10 steps", want: "kept", of: meanMetric("reward/accuracy/mean", 10) },
    ],
  },
  {
    method: "s-grpo",
    task: filler,
    shared: {
      ...budget(100, { group: null }),
      rollout: {
        strategy: { kind: "serial_group", exits: 8, inducer: "|", end_of_thought: "|", answer_max_tokens: 3 },
      },
    },
    against: "decay base 1 (every right exit earns 1)",
    baseline: { extends: "recipe:s-grpo", shape: [{ kind: "serial_decay", base: 1 }] },
    claims: [
      {
        what: "tokens of the full response's thought, last 10 steps",
        want: "lower",
        of: meanMetric("serial/thought_length", 10),
      },
      {
        what: "accuracy of the full response, last 10 steps",
        want: "kept",
        of: meanMetric("serial/correct_full", 10),
      },
    ],
  },
  {
    method: "grpo-care",
    task: statedThought,
    shared: budget(60),
    against: "GRPO without KL",
    baseline: { advantage: { epsilon: 1e-4 } },
    claims: [
      {
        what: "share of responses whose thought states their answer, mean of the run",
        want: "higher",
        of: meanOver(1000, ({ completion }) => Number(/^(\d);<answer>\1/.test(completion))),
      },
      { what: "accuracy, last 10 steps", want: "kept", of: meanMetric("reward/accuracy/mean", 10) },
    ],
  },
  {
    method: "posterior-grpo",
    task: hackableJudge,
    shared: budget(60),
    against: "the same rewards, the judge not gated",
    baseline: {
      extends: "recipe:posterior-grpo",
      rewards: hackableJudge.rewards.map(({ when: _gate, ...reward }) => reward),
    },
    claims: [
      {
        what: "letters that please the judge in wrong responses, last 10 steps",
        want: "lower",
        of: meanOver(
          10,
          ({ completion }) => completion.split("t").length - 1,
          ({ components }) => components.accuracy === 0,
        ),
      },
      {
        what: "accuracy on questions with an answer, last 10 steps",
        want: "kept",
        of: meanOver(
          10,
          ({ components }) => components.accuracy ?? 0,
          ({ prompt }) => prompt.startsWith("q"),
        ),
      },
    ],
  },
  {
    method: "multi-objective-grpo",
    task: cannedReplies,
    shared: budget(40),
    against: "GRPO on the first objective alone",
    baseline: {
      rewards: cannedReplies.rewards.slice(0, 1),
      objective: { kl: { coefficient: 0.04, estimator: "k3" } },
    },
    claims: [
      {
        what: "share of the reply that is best on the mean of all, last 5 steps",
        want: "higher",
        of: meanOver(5, ({ completion }) => Number(completion.trim() === "B")),
      },
    ],
  },
  {
    method: "rank-grpo",
    task: lists,
    shared: merge(budget(150, { rate: 1e-4 }), {
      rollout: { spans: [{ kind: "newline", name: "rank", max_items: 4 }] },
    }),
    against: "GRPO on the list's total, sequence ratios, same clip and KL",
    baseline: {
      objective: {
        level: "sequence",
        epsilon_low: 0.06,
        epsilon_high: 0.08,
        kl: { coefficient: 1e-3, estimator: "k3" },
      },
      optimizer: { beta2: 0.99 },
      rollout: { spans: [] },
    },
    recipe: () => parse("advantage: {positions: 4, then: [{kind: list_length, span: rank, positions: 4}]}"),
    claims: [
      {
        what: "liked titles at ranks 3 and 4, last 10 steps",
        want: "higher",
        of: meanOver(10, ({ prompt, completion }) => tailHits(prompt, completion, 3)),
      },
      {
        what: "liked titles at all ranks, last 10 steps",
        want: "higher",
        of: meanOver(10, ({ prompt, completion }) => tailHits(prompt, completion, 1)),
      },
      {
        what: "lists of four lines, last 10 steps",
        want: "higher",
        of: meanOver(10, ({ completion }) => Number(completion.trim().split("\n").length === 4)),
      },
    ],
  },
  {
    method: "wireless-math",
    task: maskedSums,
    shared: budget(150, { prompts: 10, group: 32 }),
    against: "the warm start",
    baseline: start,
    claims: [
      {
        what: "right answers, last step",
        want: "higher",
        of: meanOver(1, ({ reward }) => Number(reward === 1)),
      },
      {
        what: "boxed answers, last step",
        want: "higher",
        of: meanOver(1, ({ reward }) => Number(reward > 0)),
      },
    ],
  },
  {
    method: "semantic-reward",
    task: wording,
    shared: wordingBudget,
    against: "the warm start",
    baseline: start,
    claims: [
      { what: "cosine with the reference, last 10 steps", want: "higher", of: meanMetric("reward/semantic/mean", 10) },
    ],
  },
  {
    method: "semantic-reward",
    task: wording,
    shared: wordingBudget,
    against: "the same with the weight of the cosine 0: exact match alone",
    baseline: {
      extends: "recipe:semantic-reward",
      rewards: wording.rewards.map((reward) => (reward.kind === "semantic" ? { ...reward, weight: 0 } : reward)),
    },
    claims: [
      { what: "cosine with the reference, last 10 steps", want: "higher", of: meanMetric("reward/semantic/mean", 10) },
      {
        what: "words of the reference among those said, last 10 steps",
        want: "higher",
        of: meanOver(10, ({ prompt, completion }) => sharedWords(prompt, completion)),
      },
    ],
  },
  {
    method: "one-shot-rlvr",
    task: recallOne,
    shared: {
      ...merge(budget(40), { rollout: { temperature: 1 } }),
      data: { select: { method: "random", ranks: [1] } },
    },
    against: "the warm start",
    baseline: start,
    claims: [
      { what: "accuracy on the other 19", want: "kept", of: lastMetric("eval/accuracy") },
      { what: "reward on the example, last step", want: "higher", of: meanMetric("reward/mean", 1) },
    ],
  },
];
