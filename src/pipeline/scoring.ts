import { metricValues } from "../algorithms/tally.js";
import type { RewardSet } from "../rewards/reward-set.js";
import type { RewardContext, RewardSample } from "../rewards/types.js";
import type { HintMeta } from "../rollout/difficulty-hint.js";
import {
  type Episode,
  type Group,
  policyLoss,
  responseLength,
  type Step,
  trainedEpisodes,
  trainedTrajectories,
} from "../tree/episode.js";
import { pathTokens } from "../tree/segment.js";
import { type Turn, turnsOf } from "../tree/turn.js";

/** The episodes of a trajectory, and all of it as rewards see it. */
interface Scorable {
  episodes: Episode[];
  sample: RewardSample;
}

/** A group as rewards see it: one sample per trajectory. */
function scorables(group: Group): Scorable[] {
  const { text, record } = group.task;
  const trajectories = new Map<string, Episode[]>();
  for (const episode of group.episodes) {
    const name = `${episode.role} ${episode.trajectory}`;
    trajectories.set(name, [...(trajectories.get(name) ?? []), episode]);
  }
  return [...trajectories.values()].map((episodes, sample) => {
    const { finish, trace } = episodes.at(-1)!;
    const completion = episodes.length === 1 ? episodes[0]!.text : transcript(turnsOf(trace) ?? []);
    return {
      episodes,
      sample: {
        prompt: text,
        completion,
        messages: [
          { role: "user", content: text },
          { role: "assistant", content: completion },
        ],
        tokens: Int32Array.from(
          episodes.flatMap(({ leaf, promptLength }) => [...pathTokens(leaf).subarray(promptLength)]),
        ),
        finish,
        record,
        trace,
        group: group.slot,
        sample,
      },
    };
  });
}

const transcript = (turns: readonly Turn[]) => turns.map(({ action, observation }) => action + observation).join("");

/** Scores groups in one call, so that components of step scope see them all, and writes the rewards into their episodes. */
export async function scoreGroups(groups: readonly Group[], rewards: RewardSet, context: RewardContext): Promise<void> {
  const scored = groups.flatMap(scorables);
  const { components, spans, details, total } = await rewards.score(
    scored.map(({ sample }) => sample),
    context,
  );
  scored.forEach(({ episodes }, i) => {
    const own = Object.entries(components).map(([name, values]) => {
      const value = values[i]!;
      const vector = spans[name]?.[i];
      if (vector != null) return [name, { unit: "span" as const, values: vector }] as const;
      return [name, value === null ? null : { unit: "episode" as const, values: Float64Array.of(value) }] as const;
    });
    for (const episode of episodes) {
      episode.rewards = { total: total[i]!, details: details[i]!, components: Object.fromEntries(own) };
    }
  });
}

/** Mean and sample standard deviation of the numbers that are not NaN. */
export function meanAndStd(values: Iterable<number>): { mean: number; std: number; count: number } {
  const kept = [...values].filter((value) => !Number.isNaN(value));
  const count = kept.length;
  const mean = kept.reduce((sum, value) => sum + value, 0) / count;
  const std = count < 2 ? 0 : Math.sqrt(kept.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1));
  return { mean, std, count };
}

/** `length/*` metrics: all responses, and those that ended by themselves (left out where none did). */
export function lengthMetrics(groups: readonly Group[]): Record<string, number> {
  const episodes = groups.flatMap(trainedEpisodes);
  const lengths = episodes.map(responseLength);
  const ended = episodes.filter(({ finish }) => finish !== "length").map(responseLength);
  return {
    "length/mean": meanAndStd(lengths).mean,
    "length/min": Math.min(...lengths),
    "length/max": Math.max(...lengths),
    "length/terminated_mean": meanAndStd(ended).mean,
    ...(ended.length > 0 && {
      "length/terminated_min": Math.min(...ended),
      "length/terminated_max": Math.max(...ended),
    }),
    "length/truncated": 1 - ended.length / lengths.length,
  };
}

/**
 * What episodes with an environment did: turns, the share of actions it knows, searches, the share of episodes that it ended,
 * and the share of response tokens that the policy wrote. Nothing where there was no environment.
 */
export function turnMetrics(groups: readonly Group[]): Record<string, number> {
  const episodes = groups.flatMap(trainedEpisodes).filter(({ trace }) => turnsOf(trace) !== null);
  const trajectories = groups.flatMap(trainedTrajectories).filter(({ trace }) => turnsOf(trace) !== null);
  if (episodes.length === 0) return {};
  const turns = trajectories.map(({ trace }) => turnsOf(trace)!.length);
  const steps = episodes.flatMap((episode) => episode.steps);
  const own = episodes.map(({ leaf, promptLength }) => meanAndStd(policyLoss(leaf, promptLength)).mean);
  const count = (holds: (step: Step) => boolean) => steps.filter(holds).length;
  return {
    "turn/mean": meanAndStd(turns).mean,
    "turn/min": Math.min(...turns),
    "turn/max": Math.max(...turns),
    "turn/valid": count(({ valid }) => valid !== false) / steps.length,
    "turn/valid_actions": count(({ valid }) => valid !== false) / trajectories.length,
    "turn/searches": count(({ meta }) => meta.searched === true) / trajectories.length,
    "turn/finished": trajectories.filter(({ finish }) => finish === "environment").length / trajectories.length,
    "turn/policy_tokens": meanAndStd(own).mean,
    "turn/return": meanAndStd(trajectories.map(({ trace }) => trace.return as number)).mean,
  };
}

/** What difficulty-aware prompts did: `hint/*` metrics of groups that note it. */
export function hintMetrics(groups: readonly Group[]): Record<string, number> {
  const notes = groups.flatMap(({ meta }) => ("hint" in meta ? [meta as unknown as HintMeta] : []));
  if (notes.length === 0) return {};
  const hinted = notes.filter(({ hint }) => hint !== "");
  return {
    "hint/share": hinted.length / notes.length,
    "hint/difficulty": meanAndStd(notes.map(({ difficulty }) => difficulty)).mean,
    ...metricValues({ metrics: { "hint/difficulty": { values: notes.map(({ difficulty }) => difficulty) } } }),
    "hint/level": meanAndStd(notes.map(({ level }) => level)).mean,
    // Held against group/zero_std, which counts the groups that are trained.
    "hint/zero_std_before": notes.filter(({ flat }) => flat).length / notes.length,
  };
}

/** `phrase/NAME`: how often each pattern matches a response, on average, and `phrase/NAME_share`: in how many it does. */
export function phraseMetrics(
  groups: readonly Group[],
  phrases: Readonly<Record<string, string>>,
): Record<string, number> {
  const texts = groups.flatMap(trainedEpisodes).map(({ text }) => text);
  return Object.fromEntries(
    Object.entries(phrases).flatMap(([name, source]) => {
      const pattern = new RegExp(source, "giu");
      const counts = texts.map((text) => text.match(pattern)?.length ?? 0);
      return [
        [`phrase/${name}`, meanAndStd(counts).mean],
        [`phrase/${name}_share`, counts.filter((found) => found > 0).length / counts.length],
      ];
    }),
  );
}
