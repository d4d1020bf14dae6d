/** Who put a token into the sequence. Values of {@link Segment.origin}. */
export const Origin = { prompt: 0, policy: 1, environment: 2, template: 3, teacher: 4 } as const;

/** What the sampler knew when it drew the tokens of a segment. All arrays run over the segment's tokens. */
export interface Sampled {
  /** Log-probability of each token under rule 5 of docs/design.md (at `temperature`; top-k, top-p, min-p not in it). */
  logprob: Float32Array;
  /** Entropy in nats of the distribution each token was drawn from. */
  entropy: Float32Array;
  /** Number of optimizer steps the weights had seen. */
  version: number;
  temperature: number;
}

/**
 * A run of tokens that continues a parent. A group, a branching conversation, a serial group: all are forests of these.
 * Text is tokenised once; a conversation grows by appending segments.
 */
export interface Segment {
  /** Unique within one step. */
  readonly id: number;
  readonly parent: Segment | null;
  /** How many of the parent's own tokens this segment sees; a child may branch inside its parent. 0 for a root. */
  readonly at: number;
  tokens: Int32Array;
  /** One of {@link Origin} per token. */
  origin: Uint8Array;
  /** Name of the policy that authors the policy tokens (`main` unless a run trains several). */
  policy: string;
  /** As drawn; absent for forced, augmented or re-rooted tokens. */
  sampled?: Sampled;
}

/** Number of tokens on the path from the root to the end of `segment`. */
export function pathLength(segment: Segment): number {
  return pathStart(segment) + segment.tokens.length;
}

/** Absolute index in the path of the segment's first token. */
export function pathStart(segment: Segment): number {
  let length = 0;
  for (let s = segment; s.parent !== null; s = s.parent) length += s.at;
  return length;
}

/** The segments of a path, root first, each with how many of its tokens the path sees. */
export function pathSegments(leaf: Segment): { segment: Segment; length: number }[] {
  const path = [{ segment: leaf, length: leaf.tokens.length }];
  for (let s = leaf; s.parent !== null; s = s.parent) path.push({ segment: s.parent, length: s.at });
  return path.reverse();
}

/** The tokens of the path that ends with `leaf`. */
export function pathTokens(leaf: Segment): Int32Array {
  const tokens = new Int32Array(pathLength(leaf));
  let end = 0;
  for (const { segment, length } of pathSegments(leaf)) {
    tokens.set(segment.tokens.subarray(0, length), end);
    end += length;
  }
  return tokens;
}
