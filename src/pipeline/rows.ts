import { newlineItems, rankSpans } from "../algorithms/spans/newline.js";
import type { Needs, Row } from "../algorithms/types.js";
import type { Stage } from "../config/schema.js";
import { finalAnswer } from "../rewards/boxed.js";
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

/** Adds what parts read from the text of a response: its named spans, and the text of each token and the final answer where they are needed. */
export function readTexts(
  rows: readonly Row[],
  spans: Stage["rollout"]["spans"],
  needs: Needs,
  tokenizer: Pick<Tokenizer, "decode">,
): void {
  const known = new Map<number, string>();
  const textOf = (id: number) => {
    const text = known.get(id) ?? tokenizer.decode([id], { skipSpecialTokens: false });
    known.set(id, text);
    return text;
  };
  for (const row of rows) {
    for (const { name, max_items } of spans) {
      const items = newlineItems(Array.from(row.tokens, textOf));
      row.spans = { ...row.spans, [name]: rankSpans(items, max_items) };
    }
    if (needs.pieces === true) row.pieces = Array.from(row.tokens, textOf);
    if (needs.answer === true) row.answer = finalAnswer(row.text);
  }
}
