import type { Tokenizer } from "./tokenizer.js";

/** Turns ids into text one at a time, for stop strings and live output. */
export interface TextStream {
  /** Adds a token and returns the whole text so far, without a character whose bytes are not yet complete. */
  push(id: number): string;
  readonly text: string;
}

/** A character may span at most so many tokens; bytes that are still no character then are none. */
const maxPending = 8;

/**
 * Starts an empty stream. A token costs the decoding of a few tokens, whatever the length of the text.
 *
 * The text is that of `tokenizer.decode` on all ids, except that bytes which end as no character are held back, and that
 * a decoder which judges a whole run of byte tokens at once may say otherwise of its start when the run turns out invalid.
 */
export function textDecoder(tokenizer: Pick<Tokenizer, "decode">): TextStream {
  let text = "";
  // Tokens already in the text that the next ones are decoded after (a decoder may treat the first token apart), and
  // tokens whose text is still open.
  let context: number[] = [];
  let contextText = "";
  let pending: number[] = [];
  return {
    push(id) {
      pending.push(id);
      const window = tokenizer.decode([...context, ...pending]);
      if (window.endsWith("\ufffd") && pending.length < maxPending) return text;
      text += window.slice(contextText.length);
      if (window.length > contextText.length) {
        context = pending;
        contextText = tokenizer.decode(context);
      } else if (contextText === "") {
        context = [...context, ...pending];
      }
      pending = [];
      return text;
    },
    get text() {
      return text;
    },
  };
}
