import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ExitCode, GrpoError } from "../errors.js";
import { specialTokenEntries } from "./special-tokens.js";

/** Special tokens of a character tokenizer, ids 0, 1, 2; the characters follow. */
const specialTokens = ["<pad>", "<eos>", "<unk>"];

/**
 * Writes a tokenizer whose tokens are the characters of an alphabet, as `tokenizer.json` (a BPE without merges) and
 * `tokenizer_config.json`, which Hugging Face libraries load as they are. Ids: 0 `<pad>`, 1 `<eos>`, 2 `<unk>`, then the
 * characters in the order given, each once.
 *
 * @param directory folder, made if absent
 * @param alphabet every character that texts may hold
 * @returns number of ids, which is the vocabulary size of the model
 * @throws GrpoError GRPO_CONFIG when the alphabet is empty
 */
export function writeCharacterTokenizer(directory: string, alphabet: string): number {
  const characters = [...new Set(alphabet)];
  if (characters.length === 0) {
    throw new GrpoError("GRPO_CONFIG", "the alphabet of the character tokenizer is empty", {
      exitCode: ExitCode.config,
      fix: "name every character that prompts and completions may hold",
    });
  }
  const tokens = [...specialTokens, ...characters];
  const definition = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: specialTokenEntries(specialTokens),
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: { type: "Fuse" },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: "<unk>",
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: [],
    },
  };
  const config = {
    tokenizer_class: "PreTrainedTokenizerFast",
    pad_token: "<pad>",
    eos_token: "<eos>",
    unk_token: "<unk>",
    clean_up_tokenization_spaces: false,
  };
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "tokenizer.json"), `${JSON.stringify(definition, null, 2)}\n`);
  writeFileSync(join(directory, "tokenizer_config.json"), `${JSON.stringify(config, null, 2)}\n`);
  return tokens.length;
}
