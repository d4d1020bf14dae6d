import { textDecoder } from "../tokenizer/text-decoder.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { type Episode, type Finish, policyLoss, type Step, type Task } from "../tree/episode.js";
import { Origin, pathLength, type Segment } from "../tree/segment.js";
import type { Turn } from "../tree/turn.js";
import type { Environment, EnvironmentRun } from "./environment.js";
import type { Drawn } from "./sampling-engine.js";
import { appendSegment, promptSegment, type RolloutContext, type RolloutStrategy } from "./strategy.js";

export interface MultiTurnOptions {
  /** Turns in which the policy acts; an environment may give some more for its answer. */
  maxTurns: number;
  /** Most tokens of one action. */
  maxTurnTokens: number;
  /** Longest observation in tokens; a longer one is cut on the right. */
  maxObservationTokens: number;
  /** Longest path in tokens, prompt included: the context of the model. */
  maxLength: number;
}

/**
 * Lets a policy act in an environment until it is done, the turns are used up or the response is full. The trajectories of a
 * group start from one prefilled prompt and go on by themselves. An observation is tokenised once and appended; nothing is
 * cut on the left: a response without room for the next action ends with `finish: length`.
 */
export function multiTurnStrategy(
  environment: Environment,
  tokenizer: Pick<Tokenizer, "encode" | "decode">,
  options: MultiTurnOptions,
): RolloutStrategy {
  return {
    run: (tasks, context) =>
      tasks.map(async ({ task, slot }) => {
        const prompt = promptSegment(task);
        const runs = await environment.start(task, context.groupSize);
        const drawn = await context.engine.sample(
          prompt,
          runs.map((_, sample) => key(context, slot, sample, 0)),
          sampling(prompt, prompt, context, environment, options),
        );
        const episodes = await Promise.all(
          runs.map((run, sample) =>
            play(run, drawn[sample]!, { task, slot, sample, prompt, environment, tokenizer, options, context }),
          ),
        );
        const group = { slot, task, episodes, meta: {} };
        await context.score(group);
        return group;
      }),
    close: () => environment.close(),
  };
}

interface Play {
  task: Task;
  slot: number;
  sample: number;
  prompt: Segment;
  environment: Environment;
  tokenizer: Pick<Tokenizer, "encode" | "decode">;
  options: MultiTurnOptions;
  context: RolloutContext;
}

/** One trajectory from its first action on. */
async function play(run: EnvironmentRun, first: Drawn, p: Play): Promise<Episode> {
  const { prompt, environment, options, context } = p;
  const last = options.maxTurns + environment.finalTurns - 1;
  const promptLength = prompt.tokens.length;
  const turns: Turn[] = [];
  const steps: Step[] = [];
  let leaf = prompt;
  let drawn = first;
  let anchor = run.anchor;
  let finish: Finish = "length";
  for (let turn = 0; ; turn++) {
    const action = keepAction(drawn, p);
    const start = pathLength(leaf) - promptLength;
    leaf = appendSegment(leaf, action.tokens, Origin.policy, {
      logprob: drawn.logprob.slice(0, action.tokens.length),
      entropy: drawn.entropy.slice(0, action.tokens.length),
      version: context.version,
      temperature: context.sampling.temperature,
    });
    const { observation, done, meta = {}, ...result } = await run.step(action.text, turn === last);
    steps.push({
      start,
      end: start + action.tokens.length,
      ...(result.reward !== undefined && { reward: result.reward }),
      ...(anchor !== undefined && { anchor }),
      ...(result.valid !== undefined && { valid: result.valid }),
      meta,
    });
    turns.push({ action: action.text, observation: "" });
    if (result.anchor !== undefined) anchor = result.anchor;
    if (done) {
      finish = "environment";
      break;
    }
    if (turn === last) break;
    const tokens = p.tokenizer.encode(observation, { addSpecialTokens: false }).slice(0, options.maxObservationTokens);
    if (room(leaf, prompt, context, options) <= tokens.length) break;
    if (tokens.length > 0) {
      leaf = appendSegment(leaf, tokens, Origin.environment);
      const whole = tokens.length < options.maxObservationTokens;
      turns.at(-1)!.observation = whole ? observation : p.tokenizer.decode(tokens, { skipSpecialTokens: false });
    }
    const next = key(context, p.slot, p.sample, turn + 1);
    drawn = (await context.engine.sample(leaf, [next], sampling(leaf, prompt, context, environment, options)))[0]!;
  }
  return {
    leaf,
    promptLength,
    loss: policyLoss(leaf, promptLength),
    spans: { turn: turnSpans(steps, pathLength(leaf) - promptLength) },
    steps,
    trajectory: p.sample,
    role: "train",
    weight: 1,
    behaviour: "sampled",
    finish,
    text: turns.map(({ action, observation }) => action + observation).join(""),
    rewards: { components: {}, total: Number.NaN },
    trace: { turns, return: steps.reduce((sum, { reward = 0 }) => sum + reward, 0) },
  };
}

/** Randomness of one turn of one trajectory. */
function key({ purpose, step }: RolloutContext, slot: number, sample: number, turn: number) {
  return { purpose, step, slot, sample, turn };
}

/** Tokens that a response may still grow by. */
function room(leaf: Segment, prompt: Segment, { sampling }: RolloutContext, { maxLength }: MultiTurnOptions): number {
  const length = pathLength(leaf);
  return Math.min(sampling.maxTokens - (length - prompt.tokens.length), maxLength - length);
}

function sampling(
  leaf: Segment,
  prompt: Segment,
  context: RolloutContext,
  environment: Environment,
  options: MultiTurnOptions,
) {
  const maxTokens = Math.min(options.maxTurnTokens, room(leaf, prompt, context, options));
  return { ...context.sampling, maxTokens, stop: [...context.sampling.stop, ...environment.stop] };
}

/** The drawn tokens that hold the action; the last may hold more text, since a token is kept whole. */
function keepAction(drawn: Drawn, { environment, tokenizer }: Play): { tokens: Int32Array; text: string } {
  const whole = tokenizer.decode(drawn.tokens);
  const text = environment.cut(whole);
  if (text === whole) return { tokens: drawn.tokens, text };
  const stream = textDecoder(tokenizer);
  const end = drawn.tokens.findIndex((id) => stream.push(id).length >= text.length);
  return { tokens: end < 0 ? drawn.tokens : drawn.tokens.slice(0, end + 1), text };
}

/** Number of the turn whose action a token belongs to; -1 on observations. */
function turnSpans(steps: readonly Step[], length: number): Int32Array {
  const spans = new Int32Array(length).fill(-1);
  for (const [turn, { start, end }] of steps.entries()) spans.fill(turn, start, end);
  return spans;
}
