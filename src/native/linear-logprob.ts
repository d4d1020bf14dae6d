import type { GradientTarget } from "./linear.js";

type Handle = number;
type Temperature = number | Float32Array;

/** native/cpp/binding/linear_logprob.cpp */
export interface LinearLogprobAddon {
  linearLogprob(
    rows: number,
    cols: number,
    vocab: number,
    vocabSize: number,
    h: Handle,
    w: Handle,
    temperature: Temperature,
    pairRows: Int32Array,
    ids: Int32Array,
    stats: Handle,
    logp: Handle,
    entropy: Handle,
  ): void;
  linearLogprobBackward(
    rows: number,
    cols: number,
    vocab: number,
    vocabSize: number,
    h: Handle,
    w: Handle,
    temperature: Temperature,
    pairRows: Int32Array,
    ids: Int32Array,
    stats: Handle,
    entropy: Handle,
    dlogp: Handle | null,
    dentropy: Handle | null,
    dh: Handle,
    accumulate: boolean,
    ...target: GradientTarget
  ): number;
  sampleTokens(
    rows: number,
    cols: number,
    vocab: number,
    vocabSize: number,
    h: Handle,
    w: Handle,
    temperature: Temperature,
    topK: number,
    topP: number,
    minP: number,
    key0: number,
    key1: number,
    counters: Uint32Array,
    greedy: boolean,
    ids: Int32Array,
    logprob: Float32Array,
    entropy: Float32Array,
  ): void;
  philox(key0: number, key1: number, counters: Uint32Array, out: Uint32Array): void;
}
