import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { mapFile } from "../engine/map-file.js";
import { modelError } from "./config.js";

/** Bytes per element of the types this toolkit reads or writes. */
const widths: Record<string, number> = { F64: 8, F32: 4, F16: 2, BF16: 2, I32: 4, U8: 1 };

/** One tensor of a safetensors file. */
export interface StoredTensor {
  name: string;
  /** The file that holds it. */
  file: string;
  dtype: string;
  shape: readonly number[];
  /** The raw little-endian bytes, a view of the mapped file. */
  bytes: Uint8Array;
}

const MAX_HEADER = 100_000_000;

/**
 * Opens one safetensors file and checks its header: lengths, offsets, overlaps and types.
 *
 * @throws GrpoError GRPO_MODEL (exit code 4) naming the file and what is wrong with it
 */
export function openSafetensors(file: string): Map<string, StoredTensor> {
  const bad = (what: string, cause?: unknown) =>
    modelError(`${file}: ${what}`, "the file is damaged or not a safetensors file; fetch it again", cause);
  let buffer: ArrayBuffer;
  try {
    buffer = mapFile(file);
  } catch (cause) {
    throw modelError(`${file}: ${(cause as Error).message}`, "check the path and its permissions", cause);
  }
  if (buffer.byteLength < 8) throw bad(`${buffer.byteLength} bytes are too few for a header`);
  const headerLength = Number(new DataView(buffer).getBigUint64(0, true));
  if (headerLength > MAX_HEADER || headerLength + 8 > buffer.byteLength) {
    throw bad(`the header says it is ${headerLength} bytes long, the file has ${buffer.byteLength}`);
  }
  let header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(buffer, 8, headerLength)));
  } catch (cause) {
    throw bad(`the header is no JSON: ${(cause as Error).message}`, cause);
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) throw bad("the header is no JSON object");

  const dataStart = 8 + headerLength;
  const dataLength = buffer.byteLength - dataStart;
  const tensors = new Map<string, StoredTensor>();
  const ranges: { name: string; start: number; end: number }[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const { start, end } = checkEntry(name, entry, dataLength, bad);
    ranges.push({ name, start, end });
    const bytes = new Uint8Array(buffer, dataStart + start, end - start);
    tensors.set(name, { name, file, dtype: entry.dtype, shape: entry.shape, bytes });
  }
  ranges.sort((a, b) => a.start - b.start || a.end - b.end);
  for (let i = 1; i < ranges.length; i++) {
    if (ranges[i]!.start < ranges[i - 1]!.end) {
      throw bad(`tensors "${ranges[i - 1]!.name}" and "${ranges[i]!.name}" overlap`);
    }
  }
  return tensors;
}

function checkEntry(
  name: string,
  entry: { dtype: string; shape: number[]; data_offsets: [number, number] },
  dataLength: number,
  bad: (what: string) => Error,
): { start: number; end: number } {
  const whole = (v: unknown): v is number => typeof v === "number" && Number.isSafeInteger(v) && v >= 0;
  if (typeof entry !== "object" || entry === null || typeof entry.dtype !== "string")
    throw bad(`tensor "${name}" has no dtype`);
  if (!Array.isArray(entry.shape) || !entry.shape.every(whole))
    throw bad(`tensor "${name}" has shape ${JSON.stringify(entry.shape)}`);
  const offsets = entry.data_offsets;
  if (
    !Array.isArray(offsets) ||
    offsets.length !== 2 ||
    !offsets.every(whole) ||
    offsets[0] > offsets[1] ||
    offsets[1] > dataLength
  ) {
    throw bad(`tensor "${name}" has offsets ${JSON.stringify(offsets)}, but the data is ${dataLength} bytes long`);
  }
  const width = widths[entry.dtype];
  if (width !== undefined) {
    const needed = entry.shape.reduce((a, b) => a * b, width);
    if (needed !== offsets[1] - offsets[0]) {
      throw bad(
        `tensor "${name}" of shape [${entry.shape}] ${entry.dtype} needs ${needed} bytes, its offsets span ${offsets[1] - offsets[0]}`,
      );
    }
  }
  return { start: offsets[0], end: offsets[1] };
}

/** All tensors of a model folder: `model.safetensors`, or the shards of `model.safetensors.index.json`. */
export function openModelTensors(folder: string): Map<string, StoredTensor> {
  const single = join(folder, "model.safetensors");
  const index = join(folder, "model.safetensors.index.json");
  if (existsSync(single)) return openSafetensors(single);
  if (!existsSync(index)) {
    throw modelError(
      `${folder}: there is neither model.safetensors nor model.safetensors.index.json`,
      "give a Hugging Face model folder with safetensors weights",
    );
  }
  let map: Record<string, string>;
  try {
    map = JSON.parse(readFileSync(index, "utf8")).weight_map;
    if (typeof map !== "object" || map === null) throw new Error("it has no weight_map");
  } catch (cause) {
    throw modelError(`${index}: ${(cause as Error).message}`, "the index is damaged; fetch it again", cause);
  }
  const files = new Map<string, Map<string, StoredTensor>>();
  const tensors = new Map<string, StoredTensor>();
  for (const [name, file] of Object.entries(map)) {
    if (typeof file !== "string" || basename(file) !== file)
      throw modelError(`${index}: "${name}" lies in ${JSON.stringify(file)}`, "a shard is a file of the same folder");
    let shard = files.get(file);
    if (shard === undefined) {
      shard = openSafetensors(join(folder, file));
      files.set(file, shard);
    }
    const tensor = shard.get(name);
    if (tensor === undefined)
      throw modelError(
        `${index}: ${file} does not hold "${name}"`,
        "index and shards do not belong together; fetch the folder again",
      );
    tensors.set(name, tensor);
  }
  return tensors;
}

/** Raw elements of a stored tensor: bf16 as bits, f16 widened to float32. */
export function storedElements(tensor: StoredTensor): Float32Array | Uint16Array | Float64Array {
  const { bytes } = tensor;
  const width = widths[tensor.dtype];
  if (width === undefined || tensor.dtype === "I32" || tensor.dtype === "U8") {
    throw modelError(
      `${tensor.file}: tensor "${tensor.name}" has element type ${tensor.dtype}`,
      "supported are F32, BF16, F16 and F64",
    );
  }
  const count = bytes.byteLength / width;
  // A typed array needs an aligned start; a file may lay tensors anywhere.
  const aligned = bytes.byteOffset % width === 0 ? bytes : bytes.slice();
  switch (tensor.dtype) {
    case "F32":
      return new Float32Array(aligned.buffer, aligned.byteOffset, count);
    case "F64":
      return new Float64Array(aligned.buffer, aligned.byteOffset, count);
    case "BF16":
      return new Uint16Array(aligned.buffer, aligned.byteOffset, count);
    default:
      return widenF16(new Uint16Array(aligned.buffer, aligned.byteOffset, count));
  }
}

/** Elements of a tensor that this toolkit wrote as they lay in memory. */
export function rawElements(tensor: StoredTensor): Float32Array | Float64Array | Uint8Array {
  const bytes = tensor.bytes.slice();
  if (tensor.dtype === "F32") return new Float32Array(bytes.buffer);
  return tensor.dtype === "F64" ? new Float64Array(bytes.buffer) : bytes;
}

function widenF16(half: Uint16Array): Float32Array {
  const out = new Float32Array(half.length);
  for (let i = 0; i < half.length; i++) {
    const h = half[i]!;
    const exponent = (h >> 10) & 31;
    const fraction = h & 1023;
    const magnitude =
      exponent === 0
        ? fraction * 2 ** -24
        : exponent === 31
          ? fraction === 0
            ? Number.POSITIVE_INFINITY
            : Number.NaN
          : (1 + fraction / 1024) * 2 ** (exponent - 15);
    out[i] = h & 0x8000 ? -magnitude : magnitude;
  }
  return out;
}

/** Writes a safetensors file's header: tensors in the given order, data packed without gaps. */
export function safetensorsHeader(
  tensors: readonly { name: string; dtype: string; shape: readonly number[] }[],
): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  let offset = 0;
  for (const { name, dtype, shape } of tensors) {
    const bytes = shape.reduce((a, b) => a * b, widths[dtype]!);
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes] };
    offset += bytes;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const padded = Math.ceil(text.length / 8) * 8;
  const out = new Uint8Array(8 + padded).fill(0x20);
  new DataView(out.buffer).setBigUint64(0, BigInt(padded), true);
  out.set(text, 8);
  return out;
}
