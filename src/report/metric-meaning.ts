import { methodFamilies, methodMetrics } from "./method-metrics.js";

/** What the metrics of fixed name mean. */
export const metricMeanings: Readonly<Record<string, string>> = {
  "reward/mean": "Mean total reward of the completions of the step: the number the run is to raise.",
  "reward/std": "Standard deviation of the total reward over the step; at 0 there is nothing to learn from.",
  loss: "Value of the objective. A loss near 0 is normal here: the advantages of a group sum to 0, and it is the gradient that teaches.",
  "kl/mean":
    "Mean divergence from the reference model per token; it grows as the policy moves away from where it began.",
  "entropy/mean":
    "Mean entropy of the sampling distribution in nats; a fall to 0 means that the policy has stopped exploring.",
  "policy/loss": "Mean policy loss per token, without the KL and other terms.",
  "rollout/age_steps": "Steps since the weights that sampled were the policy's; 0 is on-policy.",
  "kl/old": "Mean divergence from the policy that sampled the step; it grows with several updates per rollout.",
  "ratio/min":
    "Smallest ratio of a trained token's probability to the one it was sampled with; 1 before the first update.",
  "ratio/mean": "Mean ratio of a trained token's probability to the one it was sampled with.",
  "rollout/weight_min": "Smallest weight of a token under objective.rollout_correction.",
  "rollout/weight_mean": "Mean of these weights; 1 where sampler and trainer agree.",
  "rollout/weight_max": "Largest of them.",
  "ratio/max":
    "Largest ratio of a trained token's probability to the one it was sampled with; 1 before the first update.",
  "ratio/clip_region": "Share of tokens whose probability ratio was held at either clip.",
  "ratio/clip_low_min": "Smallest share of the tokens of one completion held at the lower clip.",
  "ratio/clip_high_max": "Largest share of the tokens of one completion held at the upper clip.",
  "ratio/clip_low":
    "Share of tokens whose probability ratio was held at the lower clip; 0 with one update per rollout.",
  "ratio/clip_high":
    "Share of tokens whose probability ratio was held at the upper clip; 0 with one update per rollout.",
  "update/skipped":
    "Updates of the step that were left out: loss or gradient not finite, or a gradient norm of `optimizer.skip_grad_norm` or more.",
  grad_norm: "Norm of the gradient before clipping; sudden peaks announce unstable updates.",
  learning_rate: "Step size of the optimizer.",
  "length/mean": "Mean number of tokens in a completion.",
  "length/min": "Tokens of the shortest completion.",
  "length/max": "Tokens of the longest completion.",
  "length/terminated_mean": "Mean number of tokens of the completions that ended by themselves.",
  "length/terminated_min": "Tokens of the shortest of them.",
  "length/terminated_max": "Tokens of the longest of them.",
  "length/truncated": "Share of completions cut at the token limit; above 0.3 the limit is probably too low.",
  "group/zero_std": "Share of groups whose completions all got the same reward; they teach nothing.",
  "group/zero_std_right": "Share of groups in which every completion got the same high reward: the prompt is too easy.",
  "group/zero_std_wrong": "Share of groups in which every completion got the same low reward: the prompt is too hard.",
  "group/drawn": "Groups sampled in the step.",
  "group/trained": "Groups the update was computed from, after filters.",
  "buffer/rows": "Completions that wait until there are enough for an update.",
  "hint/share": "Share of prompts that were drawn again with a hint.",
  "hint/difficulty": "Mean difference of the rewards of late and a prompt's own; above 0 is harder.",
  "hint/level": "Mean strength of hints, hinted or not, from 0 to 1.",
  "hint/zero_std_before": "Share of prompts whose completions all earned the same as they were, before a hint.",
  "turn/mean": "Mean number of actions of a trajectory in the environment.",
  "turn/min": "Actions of the shortest trajectory.",
  "turn/max": "Actions of the longest trajectory.",
  "turn/valid": "Share of actions that the environment knows.",
  "turn/valid_actions": "Mean number of them in a trajectory.",
  "turn/searches": "Mean number of searches of a trajectory.",
  "turn/finished": "Share of trajectories that the environment ended, by an answer or at the goal.",
  "turn/policy_tokens": "Share of response tokens that the policy wrote; the others are observations and not trained.",
  "turn/return": "Mean sum of what the environment paid a trajectory.",
  "value/mean": "Mean value that the value head gives the trained tokens.",
  "value/returns_mean": "Mean return that the value head is to foretell.",
  "value/explained_variance": "Share of the returns' variance that the values foretell: 1 all, 0 none.",
  "value/error": "Mean squared distance of values and returns.",
  "value/clip": "Share of tokens whose value was held near its old one.",
  "pairs/accuracy": "Share of the step's pairs whose better text scored higher.",
  "pairs/margin": "Mean score of the better text less that of the worse one.",
  "mismatch/logprob_max_abs":
    "Largest difference between a log-probability stored at sampling and the one the trainer computes; 0 on the CPU. After the first step the two may share matrix products: see train.reuse_products.",
  "tokens/rollout": "Tokens sampled in the step.",
  "tokens/train_unique": "Tokens computed in the update, each once.",
  "tokens/train_logical": "Tokens the update stands for, with shared prompts counted once per completion.",
  "tokens/attention_share":
    "Query-key pairs that shared prompts leave to compute, as a share of those of whole paths: 1 saves nothing.",
  "tokens/seen": "Tokens of all updates so far, shared prompts counted once per completion.",
  "tokens/predicted_speedup":
    "How many times the arithmetic of the update it would be without shared prefixes; compare train.shared_prefix off for seconds.",
  "time/retrieval_s": "Mean seconds of one search of the environment.",
  "time/rollout_s": "Seconds spent sampling.",
  "time/reward_s": "Seconds spent waiting for rewards.",
  "time/update_s": "Seconds spent in the forward and backward passes and the optimizer.",
  "time/step_s": "Seconds of the whole step.",
  "memory/tensors_peak_mb": "Most memory held by tensors so far, in MB.",
  "memory/peak_mb": "Largest resident memory of the process so far, in MB.",
};

/** Of what the metrics `NAME/p05`, `/p25`, `/p50`, `/p75` and `/p95` are the quantiles. */
export const quantileMeanings: Readonly<Record<string, string>> = {
  ratio: "ratios of trained tokens' probabilities to those they were sampled with (objective rec).",
  "risk/score_spread": "scores of the step's bundles.",
  "hint/difficulty": "differences of the rewards of late and a prompt's own.",
  "semantic_entropy/relative": "entropies of the groups' answers over their largest value, ln G.",
};

type Family = (typeof methodFamilies)[number];

/** What a kind of reward says of its completions besides the reward. */
const rewardDetails: Readonly<Record<string, string>> = {
  format: "latex_boxed: share of completions with a box.",
  accuracy: "latex_boxed: share of completions whose answers are all right.",
  hit: "qa: share of transcripts with documents in which one holds a right answer.",
  items: "recommendation: mean number of lines that name a title.",
  in_catalog: "recommendation: mean share of them that the catalog holds.",
  empty: "semantic: share of completions without an explanation.",
  self_similarity: "semantic: mean cosine between the explanations of a group; near 1 they have become one.",
  other_language: "semantic: share of explanations in another language than their reference, where both can be told.",
  score: "reward_model: mean score before it becomes a reward.",
  non_finite: "reward_model: share of scores that are no number.",
};

/** Metrics of every run with a part that the run decides. */
export const metricFamilies: readonly Family[] = [
  {
    pattern: /^eval\/pass@(\d+)$/,
    name: "eval/pass@8",
    meaning: (k) => `Evaluation: chance that at least one of ${k} completions of a prompt is right.`,
  },
  {
    pattern: /^(.+)@.+$/,
    name: "METRIC@VALUE",
    meaning: (name) => {
      const rows = "over the rows of data with that value of data.metrics_by alone.";
      const what = known(name);
      return what === undefined ? `The metric ${name} ${rows}` : `${what} Here ${rows}`;
    },
  },
  {
    pattern: /^eval\/(.+)_(?:low|high)$/,
    name: "eval/NAME_low",
    meaning: (name) => `An end of the 95 % confidence interval of the evaluation's ${name}.`,
  },
  {
    pattern: /^eval\/(.+)$/,
    name: "eval/NAME",
    meaning: (name) => `Evaluation on prompts kept apart: ${known(name) ?? `${name}.`}`,
  },
  {
    pattern: /^reward\/([^/]+)\/mean$/,
    name: "reward/NAME/mean",
    meaning: (name) => `Mean of the reward component ${name}, before its weight.`,
  },
  {
    pattern: /^reward\/([^/]+)\/std$/,
    name: "reward/NAME/std",
    meaning: (name) => `Standard deviation of the reward component ${name}, before its weight.`,
  },
  {
    pattern: /^reward\/([^/]+)\/group_std$/,
    name: "reward/NAME/group_std",
    meaning: (name) => `Mean deviation of ${name} within groups: what the advantage is made of.`,
  },
  {
    pattern: /^reward\/([^/]+)\/length_correlation$/,
    name: "reward/NAME/length_correlation",
    meaning: (name) => `Correlation of ${name} with the length; far from 0, length may be what it rewards.`,
  },
  {
    pattern: /^reward\/([^/]+-[^/]+)\/correlation$/,
    name: "reward/NAME-OTHER/correlation",
    meaning: (names) => `Correlation of the rewards ${names.replace("-", " and ")}; below 0 they pull apart.`,
  },
  {
    pattern: /^reward\/([^/]+)\/applies$/,
    name: "reward/NAME/applies",
    meaning: (name) => `Share of completions that meet the condition (\`when\`) of ${name}.`,
  },
  {
    pattern: /^reward\/([^/]+)\/zero_std_without$/,
    name: "reward/NAME/zero_std_without",
    meaning: (name) => `Share of groups whose rewards would all be equal without ${name}.`,
  },
  {
    pattern: /^reward\/([^/]+)\/decides$/,
    name: "reward/NAME/decides",
    meaning: (name) => `Share of groups that ${name} alone tells apart.`,
  },
  {
    pattern: /^reward\/([^/]+)\/calls$/,
    name: "reward/NAME/calls",
    meaning: (name) => `Calls of the code of the reward ${name}.`,
  },
  {
    pattern: /^reward\/([^/]+)\/errors$/,
    name: "reward/NAME/errors",
    meaning: (name) => `Calls of the reward ${name} that failed and were skipped.`,
  },
  ...Object.entries(rewardDetails).map(([detail, meaning]) => ({
    pattern: new RegExp(`^reward/[^/]+/${detail}$`),
    name: `reward/NAME/${detail}`,
    meaning: () => meaning,
  })),
  {
    pattern: /^labels\/(.+)\/error$/,
    name: "labels/NAME/error",
    meaning: (name) => `Mean squared error of the reward model's score ${name}.`,
  },
  {
    pattern: /^phrase\/(.+)_share$/,
    name: "phrase/NAME_share",
    meaning: (name) => `Share of completions in which rollout.phrases.${name} is found.`,
  },
  {
    pattern: /^phrase\/(.+)$/,
    name: "phrase/NAME",
    meaning: (name) => `How often rollout.phrases.${name} is found in a completion, on average.`,
  },
];

/** One sentence on what a metric means, for people who see it for the first time. */
export function metricMeaning(name: string): string {
  return known(name) ?? (name.startsWith("reward/") ? `Logged by user code of a reward: ${name}.` : unknown);
}

/** What is said of a metric that no part of this program logs. */
const unknown = "Logged by the method of this run.";

/** What a metric of this program means; undefined for others. */
function known(name: string): string | undefined {
  for (const fixed of [metricMeanings, methodMetrics]) if (Object.hasOwn(fixed, name)) return fixed[name];
  const [, base = "", level] = /^(.+)\/p(05|25|50|75|95)$/.exec(name) ?? [];
  if (Object.hasOwn(quantileMeanings, base)) return `The ${Number(level)} % quantile of ${quantileMeanings[base]}`;
  for (const { pattern, meaning } of [...metricFamilies, ...methodFamilies]) {
    const match = pattern.exec(name);
    if (match !== null) return meaning(match[1] ?? "");
  }
  return undefined;
}
