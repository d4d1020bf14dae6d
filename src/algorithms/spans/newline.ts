/**
 * List item of each token, from 0: a token that holds newlines belongs to the item before them, and the count then advances
 * by their number (Rank-GRPO, arXiv 2510.20150, section 4; \r\n is one newline).
 *
 * @param texts text of each token by itself
 */
export function newlineItems(texts: readonly string[]): Int32Array {
  let item = 0;
  return Int32Array.from(texts, (text) => {
    const own = item;
    item += text.match(/\r\n|\n|\r/g)?.length ?? 0;
    return own;
  });
}

/** Items as spans of at most `maxItems` ranks; everything beyond shares the one span `maxItems`. */
export function rankSpans(items: Int32Array, maxItems: number): Int32Array {
  return items.map((item) => (item < 0 ? -1 : Math.min(item, maxItems)));
}
