/** Entries of `added_tokens` in a `tokenizer.json` for special tokens with the ids 0, 1, 2, ... */
export function specialTokenEntries(contents: readonly string[]): object[] {
  return contents.map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
}
