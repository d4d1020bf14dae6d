/**
 * Span ids of the last complete `<tag>...</tag>` block of a response, its tags included: 0 on every token that holds a part of
 * it, else -1.
 *
 * @param pieces the text that each token adds; together they are the text of the response
 */
export function taggedTokens(pieces: readonly string[], tag: string): Int32Array {
  const text = pieces.join("");
  const end = text.lastIndexOf(`</${tag}>`);
  const start = end < 0 ? -1 : text.lastIndexOf(`<${tag}>`, end);
  const stop = end + tag.length + 3;
  let from = 0;
  return Int32Array.from(pieces, (piece) => {
    const to = from + piece.length;
    const inside = start >= 0 && from < stop && to > start;
    from = to;
    return inside ? 0 : -1;
  });
}
