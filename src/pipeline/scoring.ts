import type { RewardSet } from "../rewards/reward-set.js";
import type { RewardContext, RewardSample } from "../rewards/types.js";
import { type Episode, type Group, policyLoss, responseLength, type Step, trainedEpisodes } from "../tree/episode.js";
import { pathTokens } from "../tree/segment.js";
import { turnsOf } from "../tree/turn.js";

/** A group's episodes as rewards see them. */
function rewardSamples(group: Group): RewardSample[] {
  const { text, record } = group.task;
  return group.episodes.map((episode, sample) => ({
    prompt: text,
    completion: episode.text,
    messages: [
      { role: "user", content: text },
      { role: "assistant", content: episode.text },
    ],
    tokens: pathTokens(episode.leaf).subarray(episode.promptLength),
    finish: episode.finish,
    record,
    trace: episode.trace,
    group: group.slot,
    sample,
  }));
}

/** Scores groups in one call, so that components of step scope see them all, and writes the rewards into their episodes. */
export async function scoreGroups(groups: readonly Group[], rewards: RewardSet, context: RewardContext): Promise<void> {
  const samples = groups.flatMap(rewardSamples);
  const { components, spans, total } = await rewards.score(samples, context);
  let i = 0;
  for (const { episodes } of groups) {
    for (const episode of episodes) {
      episode.rewards = {
        total: total[i]!,
        components: Object.fromEntries(
          Object.entries(components).map(([name, values]) => {
            const value = values[i]!;
            const vector = spans[name]?.[i];
            if (vector != null) return [name, { unit: "span" as const, values: vector }];
            return [name, value === null ? null : { unit: "episode" as const, values: Float64Array.of(value) }];
          }),
        ),
      };
      i += 1;
    }
  }
}

/** Mean and sample standard deviation of the numbers that are not NaN. */
export function meanAndStd(values: Iterable<number>): { mean: number; std: number; count: number } {
  const kept = [...values].filter((value) => !Number.isNaN(value));
  const count = kept.length;
  const mean = kept.reduce((sum, value) => sum + value, 0) / count;
  const std = count < 2 ? 0 : Math.sqrt(kept.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1));
  return { mean, std, count };
}

/** `reward/*` metrics of groups: total and components. */
export function rewardMetrics(groups: readonly Group[], prefix = "reward"): Record<string, number> {
  const episodes = groups.flatMap(trainedEpisodes);
  const total = meanAndStd(episodes.map(({ rewards }) => rewards.total));
  const metrics: Record<string, number> = { [`${prefix}/mean`]: total.mean, [`${prefix}/std`]: total.std };
  for (const name of new Set(episodes.flatMap(({ rewards }) => Object.keys(rewards.components)))) {
    const values = episodes.map(({ rewards }) => meanAndStd(rewards.components[name]?.values ?? []).mean);
    const { mean, std } = meanAndStd(values);
    metrics[`${prefix}/${name}/mean`] = mean;
    metrics[`${prefix}/${name}/std`] = std;
  }
  return metrics;
}

/** `length/*` metrics: all responses, and those that ended by themselves. */
export function lengthMetrics(groups: readonly Group[]): Record<string, number> {
  const episodes = groups.flatMap(trainedEpisodes);
  const lengths = episodes.map(responseLength);
  const ended = episodes.filter(({ finish }) => finish !== "length").map(responseLength);
  return {
    "length/mean": meanAndStd(lengths).mean,
    "length/min": Math.min(...lengths),
    "length/max": Math.max(...lengths),
    "length/terminated_mean": meanAndStd(ended).mean,
    "length/truncated": 1 - ended.length / lengths.length,
  };
}

/**
 * What episodes with an environment did: turns, the share of actions it knows, searches, the share of episodes that it ended,
 * and the share of response tokens that the policy wrote. Nothing where there was no environment.
 */
export function turnMetrics(groups: readonly Group[]): Record<string, number> {
  const episodes = groups.flatMap(trainedEpisodes).filter(({ trace }) => turnsOf(trace) !== null);
  if (episodes.length === 0) return {};
  const turns = episodes.map(({ steps }) => steps.length);
  const steps = episodes.flatMap((episode) => episode.steps);
  const own = episodes.map(({ leaf, promptLength }) => meanAndStd(policyLoss(leaf, promptLength)).mean);
  const count = (ofEpisode: Episode["steps"], holds: (step: Step) => boolean) => ofEpisode.filter(holds).length;
  return {
    "turn/mean": meanAndStd(turns).mean,
    "turn/min": Math.min(...turns),
    "turn/max": Math.max(...turns),
    "turn/valid": count(steps, ({ valid }) => valid !== false) / steps.length,
    "turn/searches": meanAndStd(episodes.map((e) => count(e.steps, ({ meta }) => meta.searched === true))).mean,
    "turn/finished": episodes.filter(({ finish }) => finish === "environment").length / episodes.length,
    "turn/policy_tokens": meanAndStd(own).mean,
    "turn/return": meanAndStd(episodes.map(({ trace }) => trace.return as number)).mean,
  };
}
