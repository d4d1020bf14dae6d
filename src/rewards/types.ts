import type { Finish } from "../tree/episode.js";

/** One completion as a reward sees it. */
export interface RewardSample {
  prompt: string;
  /** Text of the completion, cut at a stop string. */
  completion: string;
  /** The conversation as chat messages, the completion included. */
  messages: readonly { role: string; content: unknown }[];
  /** Token ids of the completion. */
  tokens: Int32Array;
  finish: Finish;
  /** The whole data row. */
  record: Record<string, unknown>;
  /** Free-form record of the rollout. */
  trace: Record<string, unknown>;
  /** Slot of the prompt in the step. */
  group: number;
  /** Index of the completion within its group. */
  sample: number;
  /** Values of the components named in `needs`; null where one did not apply. */
  rewards?: Record<string, number | null>;
}

/** What is true of all samples of a call. */
export interface RewardContext {
  step: number;
  /** Whether the samples are of an evaluation and not of training. */
  evaluation: boolean;
}

/** Answer of user code to one call: one value per sample, NaN = not applicable, and what it logged, in order. */
export interface CallResult {
  values: Float64Array;
  logged: { name: string; value: number }[];
}

/** User code that scores the samples of one call. */
export interface CallScorer {
  score(samples: readonly RewardSample[], context: RewardContext): Promise<CallResult>;
  close(): Promise<void>;
}

/** Records a number of a sample beside its reward; `reward/NAME/WHAT` is the mean over samples. */
export type Note = (what: string, value: number) => void;

/** A built-in reward of a sample by itself; null = not applicable. */
export type SampleScorer = (sample: RewardSample, note?: Note) => number | null;

/** A built-in reward of the spans of a sample, one value per position. */
export type SpanScorer = (sample: RewardSample, note?: Note) => Float64Array;
