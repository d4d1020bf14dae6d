import type { LibraryAddedToken, LibraryTokenizer } from "./library.js";

type Flagged = ReadonlyMap<string, LibraryAddedToken>;

const wordAtEnd = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u;
const wordAtStart = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;
const spaceAtEnd = /\p{White_Space}+$/u;
const spaceAtStart = /^\p{White_Space}+/u;

/**
 * Finds added tokens in a text as the Rust library does: a `single_word` token counts only where no word character touches
 * it (the JavaScript library ignores the flag), and `lstrip` and `rstrip` swallow Unicode white space (JavaScript's `trim`
 * takes U+FEFF and leaves U+0085).
 */
export function mendAddedTokens(tokenizer: LibraryTokenizer): void {
  const flagged = new Map<string, LibraryAddedToken>();
  for (const [content, token] of tokenizer.added_tokens_map) {
    if (token.single_word || token.lstrip || token.rstrip) flagged.set(content, { ...token });
  }
  if (flagged.size === 0) return;
  for (const token of tokenizer.added_tokens_map.values()) token.lstrip = token.rstrip = false;
  const isToken = (section: string) => tokenizer.added_tokens_map.has(section);
  for (const splitter of [tokenizer.splitter_unnormalized, tokenizer.splitter_normalized]) {
    const split = splitter.split.bind(splitter);
    splitter.split = (text) => strip(joinInsideWords(split(text), flagged, isToken), flagged);
  }
}

/** Sections with each `single_word` token that a word character touches put back into the text around it. */
function joinInsideWords(sections: string[], flagged: Flagged, isToken: (section: string) => boolean): string[] {
  const result: string[] = [];
  let afterText = false;
  for (const [i, section] of sections.entries()) {
    const touched = wordAtEnd.test(sections[i - 1] ?? "") || wordAtStart.test(sections[i + 1] ?? "");
    const text = !isToken(section) || (flagged.get(section)?.single_word === true && touched);
    result.push(text && afterText ? result.pop()! + section : section);
    afterText = text;
  }
  return result;
}

function strip(sections: string[], flagged: Flagged): string[] {
  for (const [i, section] of sections.entries()) {
    const token = flagged.get(section);
    if (token?.lstrip && i > 0) sections[i - 1] = sections[i - 1]!.replace(spaceAtEnd, "");
    if (token?.rstrip && i + 1 < sections.length) sections[i + 1] = sections[i + 1]!.replace(spaceAtStart, "");
  }
  return sections;
}
