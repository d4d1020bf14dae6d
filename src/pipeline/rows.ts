import { newlineItems, rankSpans } from "../algorithms/spans/newline.js";
import type { Needs, Row } from "../algorithms/types.js";
import type { Stage } from "../config/schema.js";
import { finalAnswer } from "../rewards/boxed.js";
import { piecesOf } from "../rollout/pieces.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { type Episode, type Group, gatherSampled, responseLength } from "../tree/episode.js";
import { pathTokens } from "../tree/segment.js";

/** An episode as algorithms see it. `group` is the index of its group in the batch. */
export function toRow(episode: Episode, group: number, record: Record<string, unknown>): Row {
  return {
    length: responseLength(episode),
    group,
    mask: episode.loss,
    reward: episode.rewards.total,
    components: episode.rewards.components,
    role: episode.role,
    weight: episode.weight,
    terminated: episode.finish !== "length",
    spans: episode.spans,
    steps: episode.steps,
    trajectory: episode.trajectory,
    record,
    tokens: pathTokens(episode.leaf).subarray(episode.promptLength),
    text: episode.text,
    rollout: gatherSampled(episode, "logprob"),
    entropy: gatherSampled(episode, "entropy"),
  };
}

/** Rows of a batch, groups in order. */
export function toRows(groups: readonly Group[]): { rows: Row[]; episodes: Episode[] } {
  const episodes = groups.flatMap((group) => group.episodes);
  const rows = groups.flatMap((group, g) => group.episodes.map((episode) => toRow(episode, g, group.task.record)));
  return { rows, episodes };
}

/** Adds what parts read from the text of a response: its named spans, and the pieces and final answer where needed. */
export function readTexts(
  rows: readonly Row[],
  spans: Stage["rollout"]["spans"],
  needs: Needs,
  tokenizer: Tokenizer,
): void {
  for (const row of rows) {
    const pieces = spans.length > 0 || needs.pieces === true ? piecesOf(row.tokens, tokenizer) : [];
    if (needs.pieces === true) row.pieces = pieces;
    for (const { name, max_items } of spans) {
      row.spans = { ...row.spans, [name]: rankSpans(newlineItems(pieces), max_items) };
    }
    if (needs.answer === true) row.answer = finalAnswer(row.text);
  }
}
