/**
 * 1 on the tokens of the last `<tag>` block. `content`: those that hold a part of its text. `release`: those after the tag's
 * word and three before the end token, which stand for the closing tag.
 *
 * @param pieces the text that each token adds
 * @param ended whether the last token is an end token
 */
export function answerMask(
  pieces: readonly string[],
  ended: boolean,
  { tag, span }: { tag: string; span: "content" | "release" },
): Uint8Array {
  const text = pieces.join("");
  const last = pieces.length - (ended ? 1 : 0);
  const open = text.lastIndexOf(`<${tag}>`);
  if (open < 0) return new Uint8Array(pieces.length);
  const word = open + tag.length;
  const from = word + 2;
  const close = text.indexOf(`</${tag}>`, from);
  const to = close < 0 ? text.length : close;
  let end = 0;
  const ends = pieces.map((piece) => {
    end += piece.length;
    return end;
  });
  const tagToken = ends.findIndex((stop) => stop > word);
  return Uint8Array.from(pieces, (piece, t) => {
    const inside =
      span === "release" ? t > tagToken && t < last - 3 : t < last && ends[t]! > from && ends[t]! - piece.length < to;
    return inside ? 1 : 0;
  });
}
