import type { LibraryDecoder, LibraryPreTokenizer, LibraryTokenizer } from "./library.js";
import type { PreTokenizerDefinition } from "./tokenizer-files.js";

/**
 * Where @huggingface/tokenizers (JavaScript) differs from the Rust library of the same name, whose numbers everybody trains
 * with, its parts are replaced in place.
 *
 * Pre-tokenizers: white space is Unicode's (JavaScript's `\s` has U+FEFF and lacks U+0085), word characters and digits
 * are Unicode's too (its own are ASCII).
 *
 * Decoders:
 * - ByteFallback: a run of byte tokens that is not valid UTF-8 becomes one U+FFFD per byte, and a byte order mark is kept.
 * - ByteLevel: added tokens are bytes of the same stream as their neighbours (and each token is not compared with every
 *   added token).
 * - Metaspace: with `prepend_scheme: never` the first space is kept.
 *
 * @param definition `pre_tokenizer` of tokenizer.json
 */
export function mendTokenizer(tokenizer: LibraryTokenizer, definition: PreTokenizerDefinition | null): void {
  if (tokenizer.pre_tokenizer !== null && definition !== null) mendPreTokenizer(tokenizer.pre_tokenizer, definition);
  if (tokenizer.decoder !== null) mendDecoder(tokenizer.decoder);
}

const gpt2Words =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;
const word = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]";
const words = new RegExp(`${word}+|[^${word.slice(1, -1)}\\p{White_Space}]+`, "gu");

function mendPreTokenizer(part: LibraryPreTokenizer, definition: PreTokenizerDefinition): void {
  const { type, pretokenizers = [], individual_digits } = definition;
  if (type === "Sequence") {
    for (const [i, inner] of pretokenizers.entries()) mendPreTokenizer(part.tokenizers![i]!, inner);
  }
  if (type === "ByteLevel") part.pattern = gpt2Words;
  if (type === "Digits") part.pattern = individual_digits ? /\P{N}+|\p{N}/gu : /\P{N}+|\p{N}+/gu;
  if (type === "Whitespace") part.pre_tokenize_text = (text) => text.match(words) ?? [];
  if (type === "WhitespaceSplit") part.pre_tokenize_text = (text) => text.match(/\P{White_Space}+/gu) ?? [];
}

function mendDecoder(decoder: LibraryDecoder): void {
  const { type, prepend_scheme, replacement = "\u2581" } = decoder.config;
  if (type === "Sequence") for (const part of decoder.decoders ?? []) mendDecoder(part);
  if (type === "ByteFallback") decoder.decode_chain = decodeByteFallback;
  if (type === "ByteLevel") decoder.decode_chain = (tokens) => [decodeByteLevel(tokens)];
  if (type === "Metaspace" && prepend_scheme === "never") {
    decoder.decode_chain = (tokens) => tokens.map((token) => token.replaceAll(replacement, " "));
  }
}

const lossy = new TextDecoder("utf-8", { ignoreBOM: true });
const strict = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

function decodeByteFallback(tokens: string[]): string[] {
  const texts: string[] = [];
  let bytes: number[] = [];
  const flush = () => {
    if (bytes.length === 0) return;
    try {
      texts.push(strict.decode(Uint8Array.from(bytes)));
    } catch {
      texts.push("\ufffd".repeat(bytes.length));
    }
    bytes = [];
  };
  for (const token of tokens) {
    const hex = /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1];
    if (hex !== undefined) {
      bytes.push(Number.parseInt(hex, 16));
      continue;
    }
    flush();
    texts.push(token);
  }
  flush();
  return texts;
}

/** GPT-2's map from printable characters to bytes, by code unit; -1 where a character is not in the map. */
const byteOf = (() => {
  const table = new Int16Array(0x144).fill(-1);
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    table[printable ? byte : next++] = byte;
  }
  return table;
})();

const utf8 = new TextEncoder();
const tokenBytes = new Map<string, Uint8Array>();

/** A token with a character outside the map stands for its own UTF-8 bytes. */
function bytesOfToken(token: string): Uint8Array {
  let bytes = tokenBytes.get(token);
  if (bytes === undefined) {
    const mapped = Int16Array.from(token, (char) => byteOf[char.codePointAt(0)!] ?? -1);
    bytes = mapped.includes(-1) ? utf8.encode(token) : Uint8Array.from(mapped);
    tokenBytes.set(token, bytes);
  }
  return bytes;
}

function decodeByteLevel(tokens: string[]): string {
  const parts = tokens.map(bytesOfToken);
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let end = 0;
  for (const part of parts) {
    bytes.set(part, end);
    end += part.length;
  }
  return lossy.decode(bytes);
}
