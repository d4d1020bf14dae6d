import { type GroupDecision, makeFilter, varies } from "../algorithms/filter/zero-variance.js";
import { type Group, type Task, trainedTrajectories } from "../tree/episode.js";
import { pathSegments } from "../tree/segment.js";
import type { GrpoStage } from "./grpo-stage.js";
import type { Run } from "./run.js";

/** Groups of a step: those to train, and all that were drawn. */
export interface Collected {
  groups: Group[];
  drawn: Group[];
  counts: Record<string, number>;
}

/**
 * Draws the prompts of a step and filters their groups on raw rewards. Under `resample`, rejected groups are replaced by new
 * prompts until the step is full or `max_resamples` rounds are spent (dynamic sampling, DAPO section 3.2).
 */
export async function collectGroups(
  run: Run,
  { stage, sampler }: GrpoStage,
  rollOut: (drawn: { task: Task; slot: number }[]) => Promise<Group[]>,
): Promise<Collected> {
  const { prompts_per_step } = stage.train;
  const decide = makeFilter(stage.collect);
  const groups: Group[] = [];
  const drawn: Group[] = [];
  let slot = 0;
  for (let round = 0; round <= stage.collect.max_resamples && groups.length < prompts_per_step; round++) {
    const missing = prompts_per_step - groups.length;
    const batch = await rollOut(sampler.next(missing).map(({ task }) => ({ task, slot: slot++ })));
    let again = false;
    for (const group of batch) {
      drawn.push(group);
      const decision: GroupDecision = decide(trainedTrajectories(group).map(({ rewards }) => rewards.total));
      if (decision === "train") groups.push(group);
      again ||= decision === "resample";
    }
    if (!again) break;
  }
  if (stage.collect.zero_variance === "resample" && groups.length < prompts_per_step) {
    run.say(
      `step ${run.state.step + 1}: ${groups.length} of ${prompts_per_step} groups vary after ${stage.collect.max_resamples} rounds of new prompts; training on those`,
    );
  }
  const flat = drawn.filter((group) => !varies(trainedTrajectories(group).map(({ rewards }) => rewards.total)));
  const best = (group: Group) => group.episodes[0]!.rewards.total > 0;
  return {
    groups,
    drawn,
    counts: {
      "group/zero_std": flat.length / drawn.length,
      "group/zero_std_right": flat.filter(best).length / drawn.length,
      "group/zero_std_wrong": flat.filter((group) => !best(group)).length / drawn.length,
      "group/drawn": drawn.length,
      "tokens/rollout": sampledTokens(drawn),
    },
  };
}

/** Tokens that were drawn; what episodes share counts once. */
function sampledTokens(groups: readonly Group[]): number {
  const segments = groups.flatMap(({ episodes }) => episodes.flatMap(({ leaf }) => pathSegments(leaf)));
  const drawn = new Set(segments.map(({ segment }) => segment).filter(({ sampled }) => sampled !== undefined));
  return [...drawn].reduce((sum, { tokens }) => sum + tokens.length, 0);
}
