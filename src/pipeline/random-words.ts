import type { RandomWords } from "../algorithms/types.js";
import { Purpose, seedKey, streamWords } from "../rollout/stream-key.js";

/** The random words of one step for parts that see its whole batch. */
export function randomWords(seed: number, step: number): RandomWords {
  const key = seedKey(seed);
  return (stream, group, index) =>
    streamWords(key, { purpose: Purpose.batch + stream, step, slot: group, sample: index, turn: 0 })[0];
}
