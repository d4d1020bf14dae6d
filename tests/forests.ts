import { type Episode, policyLoss } from "../src/tree/episode.js";
import { Origin, pathLength, pathSegments, type Sampled, type Segment } from "../src/tree/segment.js";
import { randomNumbers } from "./random-rows.js";

let made = 0;

/** A segment of given tokens; `at` defaults to the whole parent. */
export function segment(
  parent: Segment | null,
  tokens: ArrayLike<number>,
  options: { at?: number; origin?: number; sampled?: Sampled } = {},
): Segment {
  return {
    id: made++,
    parent,
    at: parent === null ? 0 : (options.at ?? parent.tokens.length),
    tokens: Int32Array.from(tokens),
    origin: new Uint8Array(tokens.length).fill(options.origin ?? (parent === null ? Origin.prompt : Origin.policy)),
    policy: "main",
    ...(options.sampled !== undefined && { sampled: options.sampled }),
  };
}

/** The episode of a path; the root is its prompt unless `promptLength` says otherwise. */
export function episode(leaf: Segment, options: Partial<Episode> = {}): Episode {
  let root = leaf;
  while (root.parent !== null) root = root.parent;
  const promptLength = options.promptLength ?? Math.min(root.tokens.length, pathLength(leaf));
  return {
    leaf,
    promptLength,
    loss: policyLoss(leaf, promptLength),
    spans: {},
    steps: [],
    trajectory: 0,
    role: "train",
    weight: 1,
    behaviour: "sampled",
    finish: "stop",
    text: "",
    rewards: { components: {}, total: 0 },
    trace: {},
    ...options,
  };
}

/** The same path in segments of its own, cut where the borders were: nothing is shared with other episodes. */
export function alone(shared: Episode): Episode {
  let parent: Segment | null = null;
  for (const { segment: own, length } of pathSegments(shared.leaf)) {
    const copy: Segment = {
      ...own,
      id: made++,
      parent,
      at: parent === null ? 0 : parent.tokens.length,
      tokens: own.tokens.slice(0, length),
    };
    parent = copy;
  }
  return { ...shared, leaf: parent! };
}

/** The same path in segments of `lengths` tokens; the last one takes what is left. */
export function resplit(tokens: Int32Array, promptLength: number, lengths: readonly number[]): Episode {
  let parent: Segment | null = null;
  let start = 0;
  for (const [i, length] of [...lengths, tokens.length].entries()) {
    const end: number = i === lengths.length ? tokens.length : Math.min(tokens.length, start + length);
    parent = segment(parent, tokens.subarray(start, end));
    start = end;
  }
  const leaf = parent!;
  return episode(leaf, { promptLength, loss: new Uint8Array(tokens.length - promptLength).fill(1) });
}

/** Whole numbers below a limit, the same in every run for the same seed. */
export function integers(seed: number): (limit: number) => number {
  const random = randomNumbers(seed);
  return (limit) => Math.floor(limit * random());
}

/** A forest that has every shape at once, with ids below `vocab`: see the names of its parts. */
export function richForest(vocab: number, seed = 1) {
  const draw = integers(seed);
  const ids = (n: number) => Int32Array.from({ length: n }, () => draw(vocab));
  const prompt = segment(null, ids(70));
  const first = segment(prompt, ids(20));
  const second = segment(prompt, ids(75));
  // A child that branches inside its parent.
  const inside = segment(second, ids(9), { at: 31 });
  // Environment tokens, then an empty segment, then the policy again.
  const tool = segment(first, ids(5), { origin: Origin.environment });
  const empty = segment(tool, []);
  const answer = segment(empty, ids(12));
  // Forced tokens of a teacher, with loss.
  const forced = segment(prompt, ids(6), { origin: Origin.teacher });
  // An episode with its own root.
  const otherPrompt = segment(null, ids(3));
  const other = segment(otherPrompt, ids(66));
  const episodes = {
    short: episode(first),
    long: episode(second),
    inside: episode(inside),
    // Shares the policy segment `first` with `short`.
    turns: episode(answer),
    forced: episode(forced, { loss: new Uint8Array(6).fill(1), behaviour: "recompute" }),
    ownRoot: episode(other),
  };
  return { ...episodes, all: Object.values(episodes) };
}
