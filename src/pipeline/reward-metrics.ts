import { varies } from "../algorithms/filter/zero-variance.js";
import { correlation } from "../algorithms/statistics.js";
import { type Episode, type Group, responseLength, trainedEpisodes, trainedTrajectories } from "../tree/episode.js";
import { meanAndStd } from "./scoring.js";

export interface RewardMetricOptions {
  /** Components that count only where a condition holds; `weights` names all. */
  conditional?: readonly string[];
  weights?: Readonly<Record<string, number>>;
  /** Column of the data whose values get means of their own; null is none. */
  by?: string | null;
}

/**
 * `reward/*` metrics of groups: total and components over the step, components within their groups, what conditional ones
 * change, and `.../mean@VALUE` by a column of the data.
 */
export function rewardMetrics(groups: readonly Group[], options: RewardMetricOptions = {}): Record<string, number> {
  const { conditional = [], weights = {}, by = null } = options;
  const episodes = groups.flatMap(trainedTrajectories);
  const total = meanAndStd(episodes.map(({ rewards }) => rewards.total));
  return {
    "reward/mean": total.mean,
    "reward/std": total.std,
    ...componentMetrics(episodes),
    ...detailMeans(episodes),
    ...relations(groups),
    ...Object.assign({}, ...conditional.map((name) => conditionalMetrics(groups, name, weights))),
    ...(by !== null && metricsBy(groups, by)),
  };
}

const namesOf = (episodes: readonly Episode[]) => [
  ...new Set(episodes.flatMap(({ rewards }) => Object.keys(rewards.components))),
];

/** A component's value for an episode: of several the mean; NaN where it does not apply. */
const componentValue = ({ rewards }: Episode, name: string) => meanAndStd(rewards.components[name]?.values ?? []).mean;

function componentMetrics(episodes: readonly Episode[]): Record<string, number> {
  return Object.fromEntries(
    namesOf(episodes).flatMap((name) => {
      const { mean, std } = meanAndStd(episodes.map((episode) => componentValue(episode, name)));
      return [
        [`reward/${name}/mean`, mean],
        [`reward/${name}/std`, std],
      ];
    }),
  );
}

/** Means of what components noted, over the episodes that have it. */
function detailMeans(episodes: readonly Episode[]): Record<string, number> {
  const names = new Set(episodes.flatMap(({ rewards }) => Object.keys(rewards.details ?? {})));
  return Object.fromEntries(
    [...names].map((name) => [
      `reward/${name}`,
      meanAndStd(episodes.map(({ rewards }) => rewards.details?.[name] ?? Number.NaN)).mean,
    ]),
  );
}

/** Deviations within groups, and correlations with the length and with each other; those that are defined. */
function relations(groups: readonly Group[]): Record<string, number> {
  const episodes = groups.flatMap(trainedTrajectories);
  const names = namesOf(episodes);
  const lengths = new Map(groups.flatMap(trajectoryLengths));
  const metrics: Record<string, number> = {};
  const add = (name: string, value: number) => {
    if (Number.isFinite(value)) metrics[name] = value;
  };
  const together = (of: (episode: Episode) => readonly [number, number]) => {
    const pairs = episodes.map(of).filter((pair) => !pair.some(Number.isNaN));
    return correlation(
      pairs.map(([a]) => a),
      pairs.map(([, b]) => b),
    );
  };
  names.forEach((name, k) => {
    const deviations = groups
      .map((group) => meanAndStd(trainedTrajectories(group).map((episode) => componentValue(episode, name))))
      .filter(({ count }) => count > 1);
    add(`reward/${name}/group_std`, meanAndStd(deviations.map(({ std }) => std)).mean);
    add(
      `reward/${name}/length_correlation`,
      together((episode) => [componentValue(episode, name), lengths.get(episode)!]),
    );
    for (const other of names.slice(k + 1)) {
      add(
        `reward/${name}-${other}/correlation`,
        together((episode) => [componentValue(episode, name), componentValue(episode, other)]),
      );
    }
  });
  return metrics;
}

/** Tokens of all responses of each trajectory, by its last episode. */
function trajectoryLengths(group: Group): [Episode, number][] {
  return trainedTrajectories(group).map((last) => {
    const own = trainedEpisodes(group).filter(({ trajectory }) => trajectory === last.trajectory);
    return [last, own.reduce((sum, episode) => sum + responseLength(episode), 0)];
  });
}

/** Where a conditional component applies, and in how many groups it is what tells the rewards apart. */
function conditionalMetrics(groups: readonly Group[], name: string, weights: Readonly<Record<string, number>>) {
  const applied = groups.flatMap(trainedTrajectories).filter((episode) => !Number.isNaN(componentValue(episode, name)));
  const others = Object.entries(weights).filter(([other]) => other !== name);
  const without = (episode: Episode) =>
    others.reduce((sum, [other, weight]) => {
      const value = componentValue(episode, other);
      return Number.isNaN(value) ? sum : sum + weight * value;
    }, 0);
  const flat = groups.filter((group) => !varies(trainedTrajectories(group).map(without)));
  const told = flat.filter((group) => varies(trainedTrajectories(group).map(({ rewards }) => rewards.total)));
  return {
    [`reward/${name}/applies`]: applied.length / groups.flatMap(trainedTrajectories).length,
    [`reward/${name}/zero_std_without`]: flat.length / groups.length,
    [`reward/${name}/decides`]: told.length / groups.length,
  };
}

/** Means of total, components and details for each value of a column; rows without it are left out. */
function metricsBy(groups: readonly Group[], column: string): Record<string, number> {
  const parts = new Map<string, Episode[]>();
  for (const group of groups) {
    const value = group.task.record[column];
    if (value === undefined || value === null) continue;
    parts.set(String(value), [...(parts.get(String(value)) ?? []), ...trainedTrajectories(group)]);
  }
  const metrics: Record<string, number> = {};
  for (const [value, episodes] of [...parts].sort(([a], [b]) => (a < b ? -1 : 1))) {
    metrics[`reward/mean@${value}`] = meanAndStd(episodes.map(({ rewards }) => rewards.total)).mean;
    for (const name of namesOf(episodes)) {
      const { mean } = meanAndStd(episodes.map((episode) => componentValue(episode, name)));
      metrics[`reward/${name}/mean@${value}`] = mean;
    }
    for (const [name, mean] of Object.entries(detailMeans(episodes))) metrics[`${name}@${value}`] = mean;
  }
  return metrics;
}
