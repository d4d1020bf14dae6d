import type { StrategyConfig } from "../config/schema/rollout.js";

type SerialConfig = Extract<StrategyConfig, { kind: "serial_group" }>;

/** What a token of a serial group is, in `spans.role`; -1 is none of these. */
export const SerialRole = {
  /** Drawn in the full response, up to the end of the thought. */
  thought: 0,
  /** Forced text that asks for the answer. */
  inducer: 1,
  /** Forced end of the thought within the inducer. */
  end: 2,
  /** Drawn after the thought. */
  answer: 3,
} as const;

/**
 * Numbers of thought tokens after which to exit: 1 + floor(u (n - 1)) for each u, ascending, without repeats; none for a
 * thought of fewer than 2 tokens (after S-GRPO, arXiv 2505.07686, section 3.2).
 *
 * @param length n, tokens of the thought
 * @param uniforms numbers in [0, 1)
 */
export function exitPositions(length: number, uniforms: readonly number[]): number[] {
  if (length < 2) return [];
  const drawn = uniforms.map((u) => 1 + Math.floor(u * (length - 1)));
  return [...new Set(drawn)].sort((a, b) => a - b);
}

/** `count` numbers in [0, 1) at even distances, for {@link exitPositions}. */
export function evenExits(count: number): number[] {
  return Array.from({ length: count }, (_, i) => (i + 0.5) / count);
}

/** Positions moved left to the nearest one where text may be cut, without repeats; those that reach 0 are dropped. */
export function exitsAtBoundaries(positions: readonly number[], mayCut: (position: number) => boolean): number[] {
  const moved = positions.map((position) => {
    let cut = position;
    while (cut > 0 && !mayCut(cut)) cut -= 1;
    return cut;
  });
  return [...new Set(moved)].filter((position) => position > 0);
}

const trained: Record<SerialConfig["loss_tokens"], readonly number[]> = {
  policy_tokens_and_end_think: [SerialRole.thought, SerialRole.end, SerialRole.answer],
  policy_tokens: [SerialRole.thought, SerialRole.answer],
  all: Object.values(SerialRole),
  answer_only: [SerialRole.answer],
};

/** 1 on the tokens of a serial group's response that are trained. */
export function serialLoss(roles: Int32Array, tokens: SerialConfig["loss_tokens"]): Uint8Array {
  return Uint8Array.from(roles, (role) => (trained[tokens].includes(role) ? 1 : 0));
}

/**
 * Places of the tokens that hold a part of the first `marker` in a text, as [start, end); null when it is not there.
 *
 * @param pieces the text that each token adds
 */
export function markerTokens(pieces: readonly string[], marker: string): { start: number; end: number } | null {
  const from = pieces.join("").indexOf(marker);
  if (from < 0) return null;
  let length = 0;
  const ends = pieces.map((piece) => {
    length += piece.length;
    return length;
  });
  return {
    start: ends.findIndex((end) => end > from),
    end: ends.findIndex((end) => end >= from + marker.length) + 1,
  };
}
