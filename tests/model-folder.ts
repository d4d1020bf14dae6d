import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseModelConfig } from "../src/model/config.js";
import { Decoder } from "../src/model/decoder.js";
import { saveDecoder } from "../src/model/folder.js";
import { initialiseDecoder } from "../src/model/weights.js";
import { specialTokenEntries } from "../src/tokenizer/special-tokens.js";

/** Sixteen words: four special ones, ten digits and two signs. */
export const words = ["<pad>", "<bos>", "<eos>", "<unk>", ..."0123456789", "+", "="];

/** Writes a word-level `tokenizer.json` over {@link words}, split at white space, and nothing beside it but its config. */
export function writeWordTokenizer(folder: string): void {
  const special = words.slice(0, 4);
  const tokenizer = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: specialTokenEntries(special),
    normalizer: null,
    pre_tokenizer: { type: "WhitespaceSplit" },
    post_processor: null,
    decoder: null,
    model: { type: "WordLevel", vocab: Object.fromEntries(words.map((word, id) => [word, id])), unk_token: "<unk>" },
  };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(tokenizer));
  writeFileSync(
    join(folder, "tokenizer_config.json"),
    JSON.stringify({ tokenizer_class: "PreTrainedTokenizerFast", pad_token: "<pad>", eos_token: "<eos>" }),
  );
}

/** Writes a Hugging Face folder of a Llama with random weights over {@link words}; 0.8 M of them unless made smaller. */
export async function writeWordModel(folder: string, overrides: Record<string, unknown> = {}): Promise<void> {
  writeWordTokenizer(folder);
  const raw = {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    vocab_size: words.length,
    hidden_size: 128,
    intermediate_size: 352,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    num_key_value_heads: 4,
    max_position_embeddings: 64,
    rms_norm_eps: 1e-6,
    tie_word_embeddings: false,
    eos_token_id: 2,
    ...overrides,
  };
  const config = parseModelConfig(raw, folder);
  const decoder = new Decoder(config, "f32", config.maxPositions);
  initialiseDecoder(decoder, 1);
  await saveDecoder(decoder, folder, null, { bosId: null, padId: 0, endTokenIds: [2] });
  decoder.dispose();
}
