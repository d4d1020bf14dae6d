import { Tokenizer } from "@huggingface/tokenizers";

/** A decoder of @huggingface/tokenizers; the steps of a sequence stand in `decoders`. */
export interface LibraryDecoder {
  config: { type: string; prepend_scheme?: string; replacement?: string };
  decoders?: LibraryDecoder[];
  decode_chain(tokens: string[]): string[];
}

/** The parts of a @huggingface/tokenizers object that are used here; its own declarations do not resolve under Node's rules. */
export interface LibraryTokenizer {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  token_to_id(token: string): number | undefined;
  model: { vocab: (string | undefined)[]; unk_token_id?: number };
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
