import type { StatefulComponent } from "../algorithms/types.js";
import type { PromptConfig } from "../data/prompt.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { type Episode, type Group, policyLoss, type Task } from "../tree/episode.js";
import { Origin, type Sampled, type Segment } from "../tree/segment.js";
import type { Drawn, SamplingEngine, SamplingOptions } from "./sampling-engine.js";

/** What a strategy must know of the run. */
export interface StrategyContext {
  tokenizer: Tokenizer;
  seed: number;
  /** Most tokens of a path. */
  maxLength: number;
  /** How prompts are made from data rows, for those that are made while a task is rolled out. */
  prompt: PromptConfig;
}

/** What a strategy may use. */
export interface RolloutContext {
  engine: Pick<SamplingEngine, "sample">;
  sampling: SamplingOptions;
  groupSize: number;
  /** One of `Purpose`. */
  purpose: number;
  step: number;
  /** Optimizer steps the weights have seen. */
  version: number;
  /** Fills in the rewards of a group's episodes. */
  score: (group: Group) => Promise<void>;
}

/** Turns the tasks of a step into scored groups, one per slot. */
export interface RolloutStrategy {
  run(tasks: readonly { task: Task; slot: number }[], context: RolloutContext): Promise<Group>[];
  /** What it measured since the last call, by the metric's name. */
  metrics?(): Record<string, number>;
  /** Ends what it runs beside itself. */
  close?(): Promise<void>;
  /** Parts that keep state between steps. */
  readonly stateful?: readonly StatefulComponent[];
}

/**
 * Draws a group's completions at once from one prefilled prompt. Each group is scored as soon as it is complete, while others
 * still decode.
 *
 * @param options.greedyBaseline adds the greedy completion with role `baseline`, after the others
 */
export function parallelStrategy({ greedyBaseline = false } = {}): RolloutStrategy {
  return {
    run: (tasks, context) =>
      tasks.map(async ({ task, slot }) => {
        const prompt = promptSegment(task);
        const { purpose, step, groupSize } = context;
        const keys = Array.from({ length: groupSize }, (_, sample) => ({ purpose, step, slot, sample, turn: 0 }));
        const greedy = { ...context.sampling, temperature: 0 };
        const [drawn, best] = await Promise.all([
          context.engine.sample(prompt, keys, context.sampling),
          greedyBaseline
            ? context.engine.sample(prompt, [{ purpose, step, slot, sample: groupSize, turn: 0 }], greedy)
            : [],
        ]);
        const episodes = drawn.map((completion, sample) => completionEpisode(prompt, completion, sample, context));
        for (const completion of best) {
          const episode = completionEpisode(prompt, completion, groupSize, { ...context, sampling: greedy });
          episodes.push({ ...episode, role: "baseline" });
        }
        const group: Group = { slot, task, episodes, meta: {} };
        await context.score(group);
        return group;
      }),
  };
}

let segments = 0;

/** The root of a task's paths. */
export function promptSegment(task: Pick<Task, "prompt">): Segment {
  return {
    id: segments++,
    parent: null,
    at: 0,
    tokens: task.prompt,
    origin: new Uint8Array(task.prompt.length).fill(Origin.prompt),
    policy: "main",
  };
}

/** A segment that continues a path, all of its tokens of one origin. */
export function appendSegment(parent: Segment, tokens: Int32Array, origin: number, sampled?: Sampled): Segment {
  return {
    id: segments++,
    parent,
    at: parent.tokens.length,
    tokens,
    origin: new Uint8Array(tokens.length).fill(origin),
    policy: "main",
    ...(sampled !== undefined && { sampled }),
  };
}

/** An episode of one completion of a prompt. */
export function completionEpisode(
  prompt: Segment,
  drawn: Drawn,
  sample: number,
  context: { version: number; sampling: SamplingOptions },
): Episode {
  const leaf = appendSegment(prompt, drawn.tokens, Origin.policy, {
    logprob: drawn.logprob,
    entropy: drawn.entropy,
    version: context.version,
    temperature: context.sampling.temperature,
  });
  const promptLength = prompt.tokens.length;
  return {
    leaf,
    promptLength,
    loss: policyLoss(leaf, promptLength),
    spans: {},
    steps: [],
    trajectory: sample,
    role: "train",
    weight: 1,
    behaviour: "sampled",
    finish: drawn.finish,
    text: drawn.text,
    rewards: { components: {}, total: Number.NaN },
    trace: {},
  };
}
