import { type Pooling, poolHidden, poolHiddenBackward } from "../algorithms/pooling.js";
import type { Example } from "../data/prompt.js";
import type { Decoder } from "../model/decoder.js";
import type { RewardHead } from "../model/reward-model.js";
import { appendSegment, promptSegment } from "../rollout/strategy.js";
import type { Episode } from "../tree/episode.js";
import { Origin, pathLength, type Segment } from "../tree/segment.js";
import { accumulateHeadGradients, headScores } from "./head-pass.js";
import type { PassCounts, PassOptions } from "./policy.js";

/**
 * Prompts with responses as episodes that a reward model can score: texts of one `owner` share their prompt. What passes
 * `maxLength` tokens is cut off the end of the response.
 */
export function textEpisodes(
  texts: readonly (Pick<Example, "tokens" | "promptLength"> & { owner: unknown })[],
  maxLength: number,
): Episode[] {
  const roots = new Map<unknown, Segment>();
  return texts.map(({ tokens, promptLength, owner }) => {
    const length = Math.min(promptLength, maxLength);
    const root = roots.get(owner) ?? promptSegment({ prompt: tokens.subarray(0, length) });
    roots.set(owner, root);
    // The state of a row is asked for through the token it predicts: one more makes the last row predict something.
    const response = Int32Array.of(...tokens.subarray(length, maxLength), 0);
    return scoredEpisode(appendSegment(root, response, Origin.environment));
  });
}

/** A path that can be asked for every row: only its first token predicts nothing that came before. */
function scoredEpisode(leaf: Segment): Episode {
  return {
    leaf,
    promptLength: 1,
    loss: new Uint8Array(pathLength(leaf) - 1),
    spans: {},
    steps: [],
    trajectory: 0,
    role: "probe",
    weight: 1,
    behaviour: "recompute",
    finish: "stop",
    text: "",
    rewards: { components: {}, total: Number.NaN },
    trace: {},
  };
}

/** Rows that count for the score of a text. */
function pooledRows({ loss: { length } }: Episode, pooling: Pooling): Uint8Array {
  if (pooling === "mean") return new Uint8Array(length).fill(1);
  const mask = new Uint8Array(length);
  mask[pooling === "cls" ? 0 : length - 1] = 1;
  return mask;
}

/** Scores of texts before the activation, (labels) each, without gradient. */
export async function scoreTexts(
  decoder: Decoder,
  { scalar, labels }: RewardHead,
  episodes: readonly Episode[],
  options: PassOptions,
): Promise<Float64Array[]> {
  const rows = episodes.map((episode) => pooledRows(episode, labels.pooling));
  // The head is linear, so that its outputs may be pooled instead of the hidden states.
  const scores = await headScores(decoder, scalar, episodes, rows, options);
  return scores.map((own, i) => poolHidden(own, rows[i]!, labels.pooling));
}

/**
 * Forward, `gradients`, backward: adds to the gradients of decoder and head.
 *
 * @param gradients given the indices of texts, those of one prompt together, and their scores (labels); returns d loss / d score
 */
export async function accumulateTextGradients(
  decoder: Decoder,
  { scalar, labels }: RewardHead,
  episodes: readonly Episode[],
  options: PassOptions,
  gradients: (indices: readonly number[], scores: Float64Array[]) => Float64Array[],
): Promise<PassCounts> {
  const { pooling } = labels;
  const rows = episodes.map((episode) => pooledRows(episode, pooling));
  return accumulateHeadGradients(decoder, scalar, episodes, rows, options, (indices, scores) => {
    const pooled = scores.map((own, k) => poolHidden(own, rows[indices[k]!]!, pooling));
    return gradients(indices, pooled).map((dscore, k) => poolHiddenBackward(dscore, rows[indices[k]!]!, pooling));
  });
}
