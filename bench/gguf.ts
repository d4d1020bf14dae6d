import { closeSync, openSync, writeSync } from "node:fs";
import { unpackRows } from "../src/engine/ops/panels.js";
import type { Parameter } from "../src/engine/parameter.js";
import type { Decoder } from "../src/model/decoder.js";

/** A value of a file's metadata; numbers say their type. */
type Value = { u32: number } | { f32: number } | string | readonly string[];

interface StoredTensor {
  name: string;
  shape: readonly number[];
  type: "f32" | "bf16";
  /** Little-endian elements, row by row. */
  read(): Uint8Array;
}

/** Codes of the GGUF format, version 3 (ggml, docs/gguf.md). */
const valueCodes = { u32: 4, f32: 6, string: 8, array: 9 } as const;
const tensorCodes = { f32: 0, bf16: 30 } as const;
const widths = { f32: 4, bf16: 2 } as const;
const ALIGNMENT = 32;

/**
 * Writes a bf16 decoder as a GGUF file of the `qwen2` architecture: matrices in bf16, norms and biases in float32, the weights
 * exactly ours. A Llama is a Qwen2 whose biases are 0: both turn the two halves of a head as Hugging Face does.
 *
 * @throws RangeError for a decoder that architecture does not describe
 */
export function writeDecoder(path: string, decoder: Decoder): void {
  const { config } = decoder;
  if (decoder.dtype !== "bf16") throw new RangeError(`writeDecoder: the decoder is ${decoder.dtype}, expected bf16`);
  if (config.qkNorm || config.outputBias || config.mlpBias || config.rope.type !== "default")
    throw new RangeError("writeDecoder: only the shapes of Qwen2, and of Llama without biases or scaled positions");
  const width = { q: config.heads * config.headDim, k: config.kvHeads * config.headDim };
  const tensors: StoredTensor[] = [
    ...stored(decoder.embed, "token_embd.weight"),
    ...stored(decoder.finalNorm, "output_norm.weight"),
    ...(config.tieWordEmbeddings ? [] : stored(decoder.head, "output.weight")),
  ];
  for (const [i, layer] of decoder.layers.entries()) {
    const named = (...names: string[]) => names.map((name) => `blk.${i}.${name}`);
    const biases = named("attn_q.bias", "attn_k.bias", "attn_v.bias");
    tensors.push(
      ...stored(layer.inputNorm, ...named("attn_norm.weight")),
      ...stored(layer.qkv, ...named("attn_q.weight", "attn_k.weight", "attn_v.weight")),
      ...(layer.qkvBias === undefined
        ? biases.map((name, part) => zeros(name, part === 0 ? width.q : width.k))
        : stored(layer.qkvBias, ...biases)),
      ...stored(layer.output, ...named("attn_output.weight")),
      ...stored(layer.postNorm, ...named("ffn_norm.weight")),
      ...stored(layer.gateUp, ...named("ffn_gate.weight", "ffn_up.weight")),
      ...stored(layer.down, ...named("ffn_down.weight")),
    );
  }
  const { tokens, merges } = byteVocabulary(config.vocabSize);
  const metadata: Record<string, Value> = {
    "general.architecture": "qwen2",
    "general.name": "random weights",
    "general.file_type": { u32: 32 },
    "qwen2.block_count": { u32: config.layers },
    "qwen2.context_length": { u32: config.maxPositions },
    "qwen2.embedding_length": { u32: config.hiddenSize },
    "qwen2.feed_forward_length": { u32: config.intermediateSize },
    "qwen2.attention.head_count": { u32: config.heads },
    "qwen2.attention.head_count_kv": { u32: config.kvHeads },
    "qwen2.attention.key_length": { u32: config.headDim },
    "qwen2.attention.value_length": { u32: config.headDim },
    "qwen2.attention.layer_norm_rms_epsilon": { f32: config.rmsNormEps },
    "qwen2.rope.freq_base": { f32: config.rope.theta },
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "qwen2",
    "tokenizer.ggml.tokens": tokens,
    "tokenizer.ggml.merges": merges,
    "tokenizer.ggml.bos_token_id": { u32: 0 },
    "tokenizer.ggml.eos_token_id": { u32: 0 },
  };
  writeFile(path, metadata, tensors);
}

/** The parts of a parameter, in row order, under other names. */
function stored(parameter: Parameter, ...names: string[]): StoredTensor[] {
  const columns = parameter.shape.slice(1);
  return parameter.parts.map(({ start, rows }, i) => ({
    name: names[i]!,
    shape: [rows, ...columns],
    type: columns.length === 0 ? "f32" : "bf16",
    read: () => {
      const tensor = unpackRows(parameter, start, rows);
      const raw = columns.length === 0 ? Float32Array.from(tensor.toArray()) : tensor.read();
      tensor.dispose();
      return new Uint8Array(raw.buffer, raw.byteOffset, raw.byteLength);
    },
  }));
}

function zeros(name: string, length: number): StoredTensor {
  return { name, shape: [length], type: "f32", read: () => new Uint8Array(4 * length) };
}

/**
 * A byte-level BPE vocabulary of `size` >= 256 made-up tokens: the bytes, then token 256 + 256 p + b joins token p and byte b.
 */
function byteVocabulary(size: number): { tokens: string[]; merges: string[] } {
  if (size < 256) throw new RangeError(`byteVocabulary: ${size} tokens do not hold the 256 bytes`);
  // Printable bytes stand for themselves, the others for the characters from U+0100 on (GPT-2's bytes_to_unicode).
  let next = 256;
  const printable = (byte: number) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  const tokens = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
  const merges: string[] = [];
  for (let i = 0; tokens.length < size; i++) {
    const [left, right] = [tokens[i >> 8]!, tokens[i & 255]!];
    tokens.push(left + right);
    merges.push(`${left} ${right}`);
  }
  return { tokens, merges };
}

function writeFile(path: string, metadata: Readonly<Record<string, Value>>, tensors: readonly StoredTensor[]): void {
  const header = [Buffer.from("GGUF"), u32(3), u64(tensors.length), u64(Object.keys(metadata).length)];
  for (const [key, value] of Object.entries(metadata)) header.push(text(key), encoded(value));
  let offset = 0;
  for (const { name, shape, type } of tensors) {
    // GGUF names the fastest axis first.
    const axes = shape.toReversed();
    header.push(text(name), u32(axes.length), ...axes.map(u64), u32(tensorCodes[type]), u64(offset));
    offset += padded(shape.reduce((a, b) => a * b, 1) * widths[type]);
  }
  const file = openSync(path, "w");
  try {
    for (const bytes of [Buffer.concat(header), ...tensors]) {
      const raw = bytes instanceof Uint8Array ? bytes : bytes.read();
      for (let done = 0; done < raw.byteLength; ) done += writeSync(file, raw, done, raw.byteLength - done);
      writeSync(file, new Uint8Array(padded(raw.byteLength) - raw.byteLength));
    }
  } finally {
    closeSync(file);
  }
}

function encoded(value: Value): Buffer {
  if (typeof value === "string") return Buffer.concat([u32(valueCodes.string), text(value)]);
  if ("u32" in value) return Buffer.concat([u32(valueCodes.u32), u32(value.u32)]);
  if ("f32" in value) return Buffer.concat([u32(valueCodes.f32), Buffer.from(Float32Array.of(value.f32).buffer)]);
  const start = [u32(valueCodes.array), u32(valueCodes.string), u64(value.length)];
  return Buffer.concat(start.concat(value.map(text)));
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([u64(bytes.length), bytes]);
}

function u32(value: number): Buffer {
  return Buffer.from(Uint32Array.of(value).buffer);
}

function u64(value: number): Buffer {
  return Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
}

function padded(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
