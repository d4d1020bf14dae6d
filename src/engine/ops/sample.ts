import { loadAddon } from "../../native/load.js";
import type { Parameter } from "../parameter.js";
import type { Tensor } from "../tensor.js";

export interface SampleOptions {
  /** One for all rows or one per row; 0 takes the argmax. */
  temperature: number | Float32Array;
  /** Keep the k most likely ids; 0 = all. */
  topK: number;
  /** Then keep the fewest most likely ids whose renormalised mass reaches this, in (0, 1]; 1 = all. */
  topP: number;
  /** Then keep ids at least this fraction as likely as the most likely one; 0 = all. */
  minP: number;
  /** Size of the tokenizer: ids from here on are never drawn. */
  vocabSize: number;
  /** Philox key: two 32-bit words. */
  key: readonly [number, number];
  /** (R, 4) Philox counters; a row's draw is a function of its counter, the key and its distribution. */
  counters: Uint32Array;
  /** Take the argmax of every row. */
  greedy?: boolean;
}

/**
 * Draws one token per row by inverse CDF over the vocabulary tiles with one Philox number. Ties go to the lowest id.
 *
 * @param h (R, C) hidden states of the last positions
 * @param w panels (V, C)
 * @returns per row the id, and the log-prob and entropy that `linearLogprob` gives at this temperature, bit for bit (at 1
 *   where the temperature is 0): topK, topP and minP restrict the draw and are not in them
 * @throws RangeError with code GRPO_SHAPE when sizes or a setting do not fit
 */
export function sampleTokens(
  h: Tensor,
  w: Parameter,
  options: SampleOptions,
): { ids: Int32Array; logprob: Float32Array; entropy: Float32Array } {
  const [rows, cols] = h.shape as [number, number];
  const { temperature, topK, topP, minP, vocabSize, key, counters, greedy } = options;
  const ids = new Int32Array(rows);
  const logprob = new Float32Array(rows);
  const entropy = new Float32Array(rows);
  loadAddon().sampleTokens(
    rows,
    cols,
    w.shape[0]!,
    vocabSize,
    h.handle,
    w.value.handle,
    temperature,
    topK,
    topP,
    minP,
    key[0],
    key[1],
    counters,
    greedy ?? false,
    ids,
    logprob,
    entropy,
  );
  return { ids, logprob, entropy };
}
