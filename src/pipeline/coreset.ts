import { greedyCoreset } from "../algorithms/coreset.js";
import { projectSparse, sparseProjection } from "../algorithms/sparse-projection.js";
import type { Decoder } from "../model/decoder.js";
import { type Estimate, meanOverPrompts } from "../report/statistics.js";
import type { Episode, Group } from "../tree/episode.js";
import { randomWords } from "./random-words.js";
import { responseFeatures } from "./response-features.js";

/** How completions are chosen before anything judges them. */
export interface CoresetOptions {
  /** Completions chosen per prompt. */
  k: number;
  /** Ridge of the inverse covariance. */
  lambda: number;
  /** Width that mean hidden states are projected to; states no wider stay as they are. */
  dim: number;
  seed: number;
}

/** Most unique tokens of one forward pass. */
const PASS_TOKENS = 8192;

/**
 * Chooses `k` completions of each group that differ most in their mean hidden states (RepExp, arXiv 2510.11686, algorithm 1).
 *
 * @returns per group the chosen indices, first choice first
 */
export async function chooseCoresets(
  decoder: Decoder,
  groups: readonly Group[],
  { k, lambda, dim, seed }: CoresetOptions,
): Promise<number[][]> {
  const episodes: Episode[] = groups.flatMap((group) => group.episodes);
  const pass = { temperature: 1, vocabSize: decoder.config.vocabSize, maxTokens: PASS_TOKENS };
  const responses = await responseFeatures(decoder, episodes, { ...pass, sharedPrefix: true, checkpoint: false });
  const width = decoder.config.hiddenSize;
  const projection = width > dim ? sparseProjection(width, dim, randomWords(seed, 0)) : null;
  const features = responses.map(({ hidden }) =>
    projection === null ? hidden : projectSparse(hidden, projection, dim),
  );
  let start = 0;
  return groups.map((group) => {
    const own = features.slice(start, start + group.episodes.length);
    start += own.length;
    return greedyCoreset(own, k, lambda).selected;
  });
}

/** Share of prompts with a right completion among the chosen, to be held against pass@k of as many drawn at random. */
export function coresetAccuracy(chosen: readonly number[][], right: readonly boolean[][]): Estimate {
  return meanOverPrompts(chosen.map((indices, g) => (indices.some((i) => right[g]![i]) ? 1 : 0)));
}
