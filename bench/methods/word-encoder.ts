import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { safetensorsHeader } from "../../src/model/safetensors.js";
import { specialTokenEntries } from "../../src/tokenizer/special-tokens.js";
import { uniform } from "./play-task.js";

const special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];

/** Shape of the encoder: one layer, wide enough that vectors of different words are nearly orthogonal. */
const shape = { hidden: 64, intermediate: 64, heads: 2, positions: 128 };

/**
 * Writes a BERT in Hugging Face layout whose word vectors are drawn at random and whose other weights are nearly nothing: the
 * mean of its states is that of the vectors of a text's words, so that texts of the same words are near each other.
 *
 * @param words in lower case; all others are unknown
 * @param options.marks whether texts are put between [CLS] and [SEP], as BERT's are
 */
export function writeWordEncoder(folder: string, words: readonly string[], { marks = true } = {}): void {
  const { hidden, intermediate, heads, positions } = shape;
  const vocab = [...special, ...words];
  mkdirSync(folder, { recursive: true });
  const json = (name: string, value: object) =>
    writeFileSync(join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
  json("config.json", {
    architectures: ["BertModel"],
    model_type: "bert",
    vocab_size: vocab.length,
    hidden_size: hidden,
    intermediate_size: intermediate,
    num_hidden_layers: 1,
    num_attention_heads: heads,
    max_position_embeddings: positions,
    type_vocab_size: 2,
    layer_norm_eps: 1e-12,
    hidden_act: "gelu",
    pad_token_id: 0,
  });
  json("tokenizer_config.json", { tokenizer_class: "PreTrainedTokenizerFast", pad_token: "[PAD]", unk_token: "[UNK]" });
  json("tokenizer.json", tokenizer(vocab, marks));
  const tensors = weights(vocab.length);
  const header = safetensorsHeader(tensors.map(({ name, shape: size }) => ({ name, dtype: "F32", shape: size })));
  const bytes = tensors.map(({ values }) => new Uint8Array(values.buffer));
  writeFileSync(join(folder, "model.safetensors"), Buffer.concat([header, ...bytes]));
}

function tokenizer(vocab: readonly string[], marks: boolean): object {
  const mark = (token: string) => ({ [token]: { id: token, ids: [vocab.indexOf(token)], tokens: [token] } });
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: specialTokenEntries(special),
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: marks
      ? {
          type: "TemplateProcessing",
          single: [
            { SpecialToken: { id: "[CLS]", type_id: 0 } },
            { Sequence: { id: "A", type_id: 0 } },
            { SpecialToken: { id: "[SEP]", type_id: 0 } },
          ],
          pair: [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }],
          special_tokens: { ...mark("[CLS]"), ...mark("[SEP]") },
        }
      : null,
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(vocab.map((token, id) => [token, id])),
    },
  };
}

/** Tensors by their Hugging Face names: word vectors of deviation 1, all other weights of 0.02, norms that change nothing. */
function weights(vocab: number): { name: string; shape: number[]; values: Float32Array }[] {
  const { hidden, intermediate, positions } = shape;
  const tensors: { name: string; shape: number[]; values: Float32Array }[] = [];
  const add = (name: string, size: number[], value: (index: number, tensor: number) => number) => {
    const tensor = tensors.length;
    const values = Float32Array.from({ length: size.reduce((a, b) => a * b, 1) }, (_, i) => value(i, tensor));
    tensors.push({ name, shape: size, values });
  };
  const normal = (scale: number) => (index: number, tensor: number) =>
    scale *
    Math.sqrt(-2 * Math.log(1 - uniform(index, tensor, 101))) *
    Math.cos(2 * Math.PI * uniform(index, tensor, 102));
  const norm = (name: string) => {
    add(`${name}.weight`, [hidden], () => 1);
    add(`${name}.bias`, [hidden], () => 0);
  };
  const dense = (name: string, rows: number, columns: number) => {
    add(`${name}.weight`, [rows, columns], normal(0.02));
    add(`${name}.bias`, [rows], () => 0);
  };
  add("embeddings.word_embeddings.weight", [vocab, hidden], normal(1));
  add("embeddings.position_embeddings.weight", [positions, hidden], normal(0.02));
  add("embeddings.token_type_embeddings.weight", [2, hidden], normal(0.02));
  norm("embeddings.LayerNorm");
  const layer = "encoder.layer.0";
  for (const part of ["query", "key", "value"]) dense(`${layer}.attention.self.${part}`, hidden, hidden);
  dense(`${layer}.attention.output.dense`, hidden, hidden);
  norm(`${layer}.attention.output.LayerNorm`);
  dense(`${layer}.intermediate.dense`, intermediate, hidden);
  dense(`${layer}.output.dense`, hidden, intermediate);
  norm(`${layer}.output.LayerNorm`);
  return tensors;
}
