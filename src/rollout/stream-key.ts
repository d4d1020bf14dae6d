import { philox } from "../data/random.js";

/** What the randomness of one completion depends on, besides the seed of the run. */
export interface StreamKey {
  /** One of {@link Purpose}. */
  purpose: number;
  step: number;
  slot: number;
  sample: number;
  /** Turn of a conversation; 0 in a single completion. */
  turn: number;
}

/** What a stream of random tokens is for; streams of different purposes are independent. Numbers from `batch` on are one per part that draws. */
export const Purpose = { rollout: 16, evaluation: 17, generate: 18, probe: 19, batch: 32 } as const;

/** Philox key of a run: the low and high word of its seed. */
export function seedKey(seed: number): readonly [number, number] {
  return [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
}

/**
 * Two words that stand for (purpose, step, slot, sample); with turn and position they make the counter of each draw, so that
 * a token's randomness never depends on the order of calls.
 */
export function streamWords(key: readonly [number, number], stream: StreamKey): readonly [number, number] {
  const words = philox(key, [stream.purpose, stream.step, stream.slot, stream.sample]);
  return [words[0]!, words[1]!];
}
