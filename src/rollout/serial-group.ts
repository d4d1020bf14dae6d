import type { StrategyConfig } from "../config/schema/rollout.js";
import { philox } from "../data/random.js";
import type { Episode, Group, Task } from "../tree/episode.js";
import { Origin, pathTokens, type Segment } from "../tree/segment.js";
import { piecesOf } from "./pieces.js";
import { evenExits, exitPositions, exitsAtBoundaries, markerTokens, SerialRole, serialLoss } from "./serial-exits.js";
import {
  completionEpisode,
  promptSegment,
  type RolloutContext,
  type RolloutStrategy,
  type StrategyContext,
} from "./strategy.js";
import { seedKey, streamWords } from "./stream-key.js";

type SerialGroupConfig = Extract<StrategyConfig, { kind: "serial_group" }>;

/**
 * S-GRPO's serial group (arXiv 2505.07686, section 3): one full response, then answers from exits within its thought, each after
 * a forced text that ends the thought. Episodes are in exit order, the full response last. A branch shares the tokens
 * of the full response up to its exit, and its old log-probs are computed, for the sampler never drew the forced text.
 */
export function serialGroupStrategy(config: SerialGroupConfig, run: StrategyContext): RolloutStrategy {
  const inducer = run.tokenizer.encode(config.inducer, { addSpecialTokens: false });
  const end = markerTokens(piecesOf(inducer, run.tokenizer), config.end_of_thought);
  const inducerRoles = Array.from(inducer, (_, t) =>
    end !== null && t >= end.start && t < end.end ? SerialRole.end : SerialRole.inducer,
  );

  /** The response up to an exit, the inducer, and the answer drawn after them. */
  async function branch(full: Episode, exit: number, sample: number, place: Place): Promise<Episode> {
    const { context, slot } = place;
    const origin = new Uint8Array(inducer.length).fill(Origin.template);
    const forced: Segment = { ...promptSegment({ prompt: inducer }), parent: full.leaf, at: exit, origin };
    const key = { purpose: context.purpose, step: context.step, slot, sample, turn: 1 };
    const sampling = { ...context.sampling, maxTokens: config.answer_max_tokens };
    const [drawn] = await context.engine.sample(forced, [key], sampling);
    const own = completionEpisode(forced, drawn!, sample, { ...context, sampling });
    const before = pathTokens(forced).subarray(full.promptLength);
    return withRoles(
      {
        ...own,
        promptLength: full.promptLength,
        behaviour: "recompute",
        text: run.tokenizer.decode(before) + drawn!.text,
        trace: { exit },
      },
      [...Array<number>(exit).fill(SerialRole.thought), ...inducerRoles],
    );
  }

  /** The episode with the roles of its first tokens, all others being the answer. */
  function withRoles(episode: Episode, first: readonly number[]): Episode {
    const length = pathTokens(episode.leaf).length - episode.promptLength;
    const role = Int32Array.from({ length }, (_, t) => first[t] ?? SerialRole.answer);
    return { ...episode, spans: { ...episode.spans, role }, loss: serialLoss(role, config.loss_tokens) };
  }

  async function serialGroup(task: Task, slot: number, context: RolloutContext): Promise<Group> {
    const prompt = promptSegment(task);
    const key = { purpose: context.purpose, step: context.step, slot, sample: config.exits, turn: 0 };
    const [drawn] = await context.engine.sample(prompt, [key], context.sampling);
    const { tokens } = drawn!;
    const mark = markerTokens(piecesOf(tokens, run.tokenizer), config.end_of_thought);
    const full = withRoles(
      completionEpisode(prompt, drawn!, config.exits, context),
      Array<number>(mark?.end ?? tokens.length).fill(SerialRole.thought),
    );
    // Keyed by a sample that is never drawn.
    const words = streamWords(seedKey(run.seed), { ...key, sample: config.exits + 1 });
    const uniform = (_: unknown, i: number) => philox(seedKey(run.seed), [words[0], words[1], 0, i])[0]! / 2 ** 32;
    const draws = config.positions === "even" ? evenExits(config.exits) : Array.from({ length: config.exits }, uniform);
    const mayCut = (position: number) => !run.tokenizer.decode(tokens.subarray(0, position)).endsWith("\ufffd");
    const room = run.maxLength - prompt.tokens.length - inducer.length;
    const exits = exitsAtBoundaries(exitPositions(mark?.start ?? tokens.length, draws), mayCut);
    const place = { context, slot };
    const branches = exits.filter((exit) => exit < room).map((exit, sample) => branch(full, exit, sample, place));
    const group: Group = { slot, task, episodes: [...(await Promise.all(branches)), full], meta: { exits } };
    await context.score(group);
    return group;
  }

  return { run: (tasks, context) => tasks.map(({ task, slot }) => serialGroup(task, slot, context)) };
}

interface Place {
  context: RolloutContext;
  slot: number;
}
