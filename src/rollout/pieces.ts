import { textDecoder } from "../tokenizer/text-decoder.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";

/** The text that each token adds: together they are the whole text. A character of several tokens is with its last. */
export function piecesOf(tokens: Int32Array, tokenizer: Tokenizer): string[] {
  const stream = textDecoder(tokenizer);
  let length = 0;
  return Array.from(tokens, (id) => {
    const piece = stream.push(id).slice(length);
    length += piece.length;
    return piece;
  });
}
