import type { RewardSet } from "../rewards/reward-set.js";
import type { RewardContext, RewardSample } from "../rewards/types.js";
import { type Group, responseLength, trainedEpisodes } from "../tree/episode.js";
import { pathTokens } from "../tree/segment.js";

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
