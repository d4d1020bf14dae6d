import { join } from "node:path";
import type { Row } from "../algorithms/types.js";
import { writeRollouts } from "../report/rollouts.js";
import { stepName } from "../report/run-folder.js";
import type { Group } from "../tree/episode.js";
import type { Run } from "./run.js";

/** Keeps the completions of the step that is being trained in `rollouts/step-NNNNNN.arrow`. */
export function keepRollouts(run: Run, groups: readonly Group[], rows: readonly Row[]): void {
  const episodes = groups.flatMap((group) => group.episodes.map((episode, sample) => ({ group, episode, sample })));
  writeRollouts(
    join(run.folder.rollouts, `${stepName(run.state.step + 1)}.arrow`),
    episodes.map(({ group, episode, sample }, i) => ({
      group: group.slot,
      sample,
      prompt: typeof episode.trace.prompt === "string" ? episode.trace.prompt : group.task.text,
      completion: episode.text,
      finish: episode.finish,
      tokens: rows[i]!.tokens,
      logprobs: Float32Array.from(rows[i]!.rollout ?? []),
      components: Object.fromEntries(
        Object.entries(episode.rewards.components).map(([name, c]) => [name, c === null ? null : c.values[0]!]),
      ),
      reward: episode.rewards.total,
      advantage: rows[i]!.advantage ?? new Float64Array(0),
    })),
  );
}
