import type { Episode, Task } from "../tree/episode.js";
import { completionEpisode, promptSegment, type RolloutContext } from "./strategy.js";

/** Where completions are drawn for. */
export interface Place {
  /** The task as it came. */
  task: Task;
  slot: number;
  context: RolloutContext;
}

/**
 * Completions of a prompt of a task, which need not be the task's own, with their rewards; none where the context has no room for
 * one.
 *
 * @param turn keys the randomness of this prompt beside the task's others
 */
export async function drawScored(
  asked: Task,
  count: number,
  turn: number,
  { task, slot, context }: Place,
  maxLength: number,
): Promise<Episode[]> {
  const prompt = promptSegment(asked);
  const maxTokens = Math.min(context.sampling.maxTokens, maxLength - prompt.tokens.length);
  if (maxTokens <= 0) return [];
  const { purpose, step } = context;
  const keys = Array.from({ length: count }, (_, sample) => ({ purpose, step, slot, sample, turn }));
  const drawn = await context.engine.sample(prompt, keys, { ...context.sampling, maxTokens });
  const episodes = drawn.map((completion, sample) => ({
    ...completionEpisode(prompt, completion, sample, context),
    trace: { prompt: asked.text },
  }));
  await context.score({ slot, task, episodes, meta: {} });
  return episodes;
}
