import type { Row } from "../src/algorithms/types.js";

/** Numbers in [0, 1) that are the same in every run (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A batch with all that an objective may ask for, and what the current policy says of it. */
export interface Batch {
  rows: Row[];
  current: { logp: Float64Array; entropy: Float64Array; value: Float64Array }[];
}

/**
 * A random batch: ragged rows in groups, some actions not trained, spans named `rank`, the last row empty.
 *
 * @param options.drift size of the difference between current and old log-probs
 * @param options.longest largest number of actions in a row
 */
export function randomBatch(
  seed: number,
  options: { groups?: number; size?: number; drift?: number; longest?: number } = {},
): Batch {
  const { groups = 3, size = 4, drift = 0.4, longest = 9 } = options;
  const random = randomNumbers(seed);
  const array = (length: number, draw: () => number) => Float64Array.from({ length }, draw);
  const near = (values: Float64Array, width: number) => values.map((value) => value + width * (random() - 0.5));
  const batch: Batch = { rows: [], current: [] };
  for (let i = 0; i < groups * size; i++) {
    const length = 1 + Math.floor(random() * longest);
    const old = array(length, () => -3 * random());
    const advantage = new Float64Array(length).fill(2 * random() - 1);
    const last = i === groups * size - 1;
    batch.rows.push({
      length,
      group: Math.floor(i / size),
      mask: Uint8Array.from({ length }, () => (last || random() < 0.2 ? 0 : 1)),
      reward: Math.floor(random() * 3),
      components: {},
      role: "train",
      weight: 1,
      terminated: random() < 0.8,
      spans: { rank: Int32Array.from({ length }, (_, t) => (t % 5 === 4 ? -1 : Math.floor(t / 2))) },
      steps: [],
      trajectory: 0,
      record: {},
      tokens: Int32Array.from({ length }, () => Math.floor(random() * 50)),
      text: "",
      old,
      rollout: near(old, 0.2),
      reference: near(old, 1),
      entropy: array(length, () => 2 * random()),
      value: array(length, () => random()),
      returns: array(length, () => random()),
      advantage,
    });
    batch.current.push({
      logp: near(old, drift),
      entropy: array(length, () => 2 * random()),
      value: array(length, () => 2 * random() - 0.5),
    });
  }
  return batch;
}
