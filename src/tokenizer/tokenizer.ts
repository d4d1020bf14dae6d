import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ExitCode, GrpoError } from "../errors.js";
import { mendAddedTokens } from "./added-tokens.js";
import { type ChatMessage, type ChatOptions, type ChatTemplate, compileChatTemplate } from "./chat-template.js";
import { type LibraryTokenizer, libraryTokenizer } from "./library.js";
import { mendTokenizer } from "./mend.js";
import { readTokenizerFiles, type TokenizerFiles } from "./tokenizer-files.js";

/** Text to ids and back, as the model's own tokenizer defines it. */
export interface Tokenizer {
  /** Ids of a text; the special tokens of the post-processor (bos, ...) unless `addSpecialTokens` is false. */
  encode(text: string, options?: { addSpecialTokens?: boolean }): Int32Array;
  /** Text of ids; special tokens are left out unless `skipSpecialTokens` is false. Ids without a token give no text. */
  decode(ids: ArrayLike<number>, options?: { skipSpecialTokens?: boolean }): string;
  /** The token of an id, as it stands in the vocabulary. */
  token(id: number): string | undefined;
  /** Highest id + 1, added tokens included. Ids from here on are padding rows of the model. */
  readonly size: number;
  readonly bosId: number | null;
  readonly eosId: number | null;
  readonly padId: number | null;
  readonly unkId: number | null;
  /** The token that ends an assistant's turn in the chat template, where there is one. */
  readonly turnEndId: number | null;
  /** Every id that ends a completion, ascending: of the generation config, the config, the tokenizer, the template. */
  readonly endTokenIds: readonly number[];
  readonly hasChatTemplate: boolean;
  /**
   * A conversation as text, by the model's chat template.
   *
   * @throws GrpoError GRPO_TOKENIZER when the model has no chat template
   */
  renderChat(messages: readonly ChatMessage[], options?: ChatOptions): string;
  /** Copies the tokenizer's files into a folder, unchanged. */
  save(directory: string): void;
}

/**
 * Loads the tokenizer of a model folder: `tokenizer.json`, and where present `tokenizer_config.json`,
 * `special_tokens_map.json`, `chat_template.jinja`, `config.json` and `generation_config.json`.
 *
 * @throws GrpoError GRPO_TOKENIZER naming the file that is missing or cannot be read
 */
export function loadTokenizer(directory: string): Tokenizer {
  const files = readTokenizerFiles(directory);
  const { definition, specialTokens } = files;
  const library = construct(files, directory);
  const vocabulary = library.model.vocab;
  const special = new Set(definition.added_tokens.filter((token) => token.special).map((token) => token.id));
  const idOf = (name: string) => {
    const token = specialTokens[name];
    return token === undefined ? null : (library.token_to_id(token) ?? null);
  };
  const encode: Tokenizer["encode"] = (text, { addSpecialTokens = true } = {}) =>
    Int32Array.from(library.encode(text, { add_special_tokens: addSpecialTokens }).ids);
  const template =
    files.chatTemplate === null ? null : compileChatTemplate(files.chatTemplate, specialTokens, directory);
  const eosId = idOf("eos_token");
  const turnEndId = template === null ? null : turnEnd(template, encode, special);
  const endTokenIds = [...new Set([...files.configuredEnds, eosId, turnEndId])].filter((id) => id !== null);
  return {
    encode,
    decode(ids, { skipSpecialTokens = true } = {}) {
      const tokens: string[] = [];
      for (let i = 0; i < ids.length; i++) {
        const token = vocabulary[ids[i]!];
        if (token !== undefined && !(skipSpecialTokens && special.has(ids[i]!))) tokens.push(token);
      }
      // The library's own decode would also apply `clean_up_tokenization_spaces`, which changes the text tokens stand for.
      return library.decoder === null ? tokens.join(" ") : library.decoder.decode_chain(tokens).join("");
    },
    token: (id) => vocabulary[id],
    size: vocabulary.length,
    bosId: idOf("bos_token"),
    eosId,
    padId: idOf("pad_token"),
    unkId: idOf("unk_token") ?? library.model.unk_token_id ?? null,
    turnEndId,
    endTokenIds: endTokenIds.sort((a, b) => a - b),
    hasChatTemplate: template !== null,
    renderChat(messages, options) {
      if (template !== null) return template.render(messages, options);
      throw new GrpoError("GRPO_TOKENIZER", `${directory}: the model has no chat template`, {
        exitCode: ExitCode.data,
        fix: "add chat_template.jinja to the model folder, or give prompts as text: data.prompt.chat: false, no --chat",
      });
    },
    save(target) {
      // The content alone: a copy of a read-only file should be writable.
      for (const name of files.names) writeFileSync(join(target, name), readFileSync(join(directory, name)));
    },
  };
}

function construct(files: TokenizerFiles, directory: string): LibraryTokenizer {
  try {
    const library = libraryTokenizer(files.definition, files.config);
    mendAddedTokens(library);
    mendTokenizer(library, files.definition.pre_tokenizer);
    return library;
  } catch (cause) {
    throw new GrpoError("GRPO_TOKENIZER", `${join(directory, "tokenizer.json")}: ${(cause as Error).message}`, {
      exitCode: ExitCode.data,
      fix: "the file must be in the form of Hugging Face tokenizers; save the tokenizer again with save_pretrained",
      cause,
    });
  }
}

/**
 * The special token that the chat template writes right after an assistant's words. Found by rendering a conversation, so
 * that no list of names is needed.
 */
function turnEnd(template: ChatTemplate, encode: Tokenizer["encode"], special: ReadonlySet<number>): number | null {
  const words = "grpo turn end";
  let text: string;
  try {
    const messages = [
      { role: "user", content: "question" },
      { role: "assistant", content: words },
    ];
    text = template.render(messages);
  } catch {
    return null; // A template for other roles or message forms; the configured end tokens remain.
  }
  const end = text.lastIndexOf(words);
  if (end < 0) return null;
  const after = encode(text.slice(end + words.length), { addSpecialTokens: false });
  const first = after[0];
  return first !== undefined && special.has(first) ? first : null;
}
