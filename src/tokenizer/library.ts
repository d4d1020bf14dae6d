import { Tokenizer } from "@huggingface/tokenizers";

/** A decoder of @huggingface/tokenizers; the steps of a sequence stand in `decoders`. */
export interface LibraryDecoder {
  config: { type: string; prepend_scheme?: string; replacement?: string };
  decoders?: LibraryDecoder[];
  decode_chain(tokens: string[]): string[];
}

/** A pre-tokenizer of @huggingface/tokenizers; the steps of a sequence stand in `tokenizers`. */
export interface LibraryPreTokenizer {
  tokenizers?: LibraryPreTokenizer[];
  pattern?: RegExp;
  pre_tokenize_text(text: string): string[];
}

/** An added token of @huggingface/tokenizers. */
export interface LibraryAddedToken {
  content: string;
  single_word: boolean;
  lstrip: boolean;
  rstrip: boolean;
}

/** Cuts a text at added tokens: pieces of text and tokens in turn. */
export interface LibrarySplitter {
  split(text: string): string[];
}

/** The parts of a @huggingface/tokenizers object that are used here; its own declarations do not resolve under Node's rules. */
export interface LibraryTokenizer {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  token_to_id(token: string): number | undefined;
  model: { vocab: (string | undefined)[]; unk_token_id?: number };
  added_tokens_map: Map<string, LibraryAddedToken>;
  splitter_unnormalized: LibrarySplitter;
  splitter_normalized: LibrarySplitter;
  pre_tokenizer: LibraryPreTokenizer | null;
  decoder: LibraryDecoder | null;
}

/**
 * Constructs the library's tokenizer.
 *
 * @param definition tokenizer.json
 * @param config tokenizer_config.json
 * @throws Error when a part is of a type the library does not know
 */
export function libraryTokenizer(definition: object, config: object): LibraryTokenizer {
  return new Tokenizer(definition, config) as unknown as LibraryTokenizer;
}
