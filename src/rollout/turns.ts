import { textDecoder } from "../tokenizer/text-decoder.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { pathLength, type Segment } from "../tree/segment.js";
import type { ActionResult, Environment } from "./environment.js";
import type { Drawn } from "./sampling-engine.js";
import type { RolloutContext } from "./strategy.js";

/** Bounds of a trajectory in an environment. */
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

/** What a strategy with an environment reads text with. */
export type TurnTokenizer = Pick<Tokenizer, "encode" | "decode">;

/** Randomness of one turn of one trajectory. */
export function turnKey({ purpose, step }: RolloutContext, slot: number, sample: number, turn: number) {
  return { purpose, step, slot, sample, turn };
}

/** Tokens that the response on `prompt` may still grow by. */
export function room(
  leaf: Segment,
  prompt: Segment,
  { sampling }: RolloutContext,
  { maxLength }: MultiTurnOptions,
): number {
  const length = pathLength(leaf);
  return Math.min(sampling.maxTokens - (length - prompt.tokens.length), maxLength - length);
}

/** How the next action is drawn. */
export function turnSampling(
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
export function keepAction(
  drawn: Drawn,
  environment: Environment,
  tokenizer: TurnTokenizer,
): { tokens: Int32Array; text: string } {
  const whole = tokenizer.decode(drawn.tokens);
  const text = environment.cut(whole);
  if (text === whole) return { tokens: drawn.tokens, text };
  const stream = textDecoder(tokenizer);
  const end = drawn.tokens.findIndex((id) => stream.push(id).length >= text.length);
  return { tokens: end < 0 ? drawn.tokens : drawn.tokens.slice(0, end + 1), text };
}

/** What the sampler knew of the tokens that are kept. */
export function sampledOf(drawn: Drawn, count: number, context: RolloutContext) {
  return {
    logprob: drawn.logprob.slice(0, count),
    entropy: drawn.entropy.slice(0, count),
    version: context.version,
    temperature: context.sampling.temperature,
  };
}

/** The record of an action: response indices [start, end), the state it was taken in and what came of it. */
export function stepOf(start: number, end: number, anchor: string | undefined, result: ActionResult) {
  return {
    start,
    end,
    ...(result.reward !== undefined && { reward: result.reward }),
    ...(anchor !== undefined && { anchor }),
    ...(result.valid !== undefined && { valid: result.valid }),
    meta: result.meta ?? {},
  };
}
