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
  "ratio/max":
    "Largest ratio of a trained token's probability to the one it was sampled with; 1 before the first update.",
  "ratio/clip_region": "Share of tokens whose probability ratio was held at either clip.",
  "ratio/clip_low_min": "Smallest share of tokens held at the lower clip in one minibatch.",
  "ratio/clip_high_max": "Largest share of tokens held at the upper clip in one minibatch.",
  "ratio/clip_low":
    "Share of tokens whose probability ratio was held at the lower clip; 0 with one update per rollout.",
  "ratio/clip_high":
    "Share of tokens whose probability ratio was held at the upper clip; 0 with one update per rollout.",
  "update/skipped": "Updates of the step that were left out because loss or gradient were not finite.",
  grad_norm: "Norm of the gradient before clipping; sudden peaks announce unstable updates.",
  learning_rate: "Step size of the optimizer.",
  "length/mean": "Mean number of tokens in a completion.",
  "length/min": "Tokens of the shortest completion.",
  "length/max": "Tokens of the longest completion.",
  "length/terminated_mean": "Mean number of tokens of the completions that ended by themselves.",
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
    "Largest difference between a log-probability stored at sampling and the one the trainer computes; 0 on the CPU.",
  "tokens/rollout": "Tokens sampled in the step.",
  "tokens/train_unique": "Tokens computed in the update, each once.",
  "tokens/train_logical": "Tokens the update stands for, with shared prompts counted once per completion.",
  "tokens/attention_share":
    "Query-key pairs that shared prompts leave to compute, as a share of those of whole paths: 1 saves nothing.",
  "time/rollout_s": "Seconds spent sampling.",
  "time/reward_s": "Seconds spent waiting for rewards.",
  "time/update_s": "Seconds spent in the forward and backward passes and the optimizer.",
  "time/step_s": "Seconds of the whole step.",
  "memory/tensors_peak_mb": "Most memory held by tensors so far, in MB.",
  "memory/peak_mb": "Largest resident memory of the process so far, in MB.",
};

const patterns: [RegExp, (name: string) => string][] = [
  [/^reward\/(.+)\/mean$/, (name) => `Mean of the reward component ${name}, before its weight.`],
  [/^reward\/(.+)\/std$/, (name) => `Standard deviation of the reward component ${name}, before its weight.`],
  [/^reward\/(.+)\/calls$/, (name) => `Calls of the user code of the reward ${name}.`],
  [/^reward\/(.+)\/errors$/, (name) => `Calls of the reward ${name} that failed and were skipped.`],
  [/^labels\/(.+)\/error$/, (name) => `Mean squared error of the reward model's score ${name}.`],
  [/^reward\/(.+)$/, (name) => `Logged by user code of a reward: ${name}.`],
  [/^eval\/(.+)_(?:low|high)$/, (name) => `An end of the 95 % confidence interval of the evaluation's ${name}.`],
  [/^eval\/pass@(\d+)$/, (k) => `Evaluation: chance that at least one of ${k} completions of a prompt is right.`],
  [/^eval\/(.+)$/, (name) => `Evaluation on prompts kept apart: ${name}.`],
  [/^time\/(.+)_s$/, (name) => `Seconds spent in: ${name}.`],
];

/** One sentence on what a metric means, for people who see it for the first time. */
export function metricMeaning(name: string): string {
  if (Object.hasOwn(metricMeanings, name)) return metricMeanings[name]!;
  for (const [pattern, sentence] of patterns) {
    const match = name.match(pattern);
    if (match !== null) return sentence(match[1]!);
  }
  return "Logged by the method of this run.";
}
