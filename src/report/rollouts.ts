import { readFileSync } from "node:fs";
import {
  type Data,
  type DataType,
  Field,
  Float32,
  Float64,
  Int32,
  List,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  tableFromIPC,
  tableToIPC,
  Utf8,
} from "apache-arrow";
import { writeAtomic } from "./atomic.js";

/** One completion of a step, as it is kept. */
export interface RolloutRow {
  /** Slot of the prompt in the step, and index of the completion in its group. */
  group: number;
  sample: number;
  prompt: string;
  completion: string;
  finish: string;
  tokens: Int32Array;
  /** Log-probability of each token as stored at sampling; NaN on forced ones. */
  logprobs: Float32Array;
  /** Value of each component before weights; null = not applicable. */
  components: Readonly<Record<string, number | null>>;
  /** Total reward; NaN (written as null) where no component applies. */
  reward: number;
  /** Advantage of each token. */
  advantage: Float64Array;
}

/**
 * Writes the completions of a step as an Arrow IPC file: one row each, one column `reward/NAME` per component.
 *
 * @throws GrpoError GRPO_DISK (exit 4) where the disk refuses
 */
export function writeRollouts(path: string, rows: readonly RolloutRow[]): void {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row.components)))];
  const columns: Record<string, Data> = {
    group: int32(rows.map((row) => row.group)),
    sample: int32(rows.map((row) => row.sample)),
    prompt: utf8(rows.map((row) => row.prompt)),
    completion: utf8(rows.map((row) => row.completion)),
    finish: utf8(rows.map((row) => row.finish)),
    tokens: int32List(rows.map((row) => row.tokens)),
    logprobs: float32List(rows.map((row) => row.logprobs)),
    ...Object.fromEntries(
      names.map((name) => [`reward/${name}`, nullableFloat64(rows.map((row) => row.components[name] ?? null))]),
    ),
    reward: nullableFloat64(rows.map((row) => (Number.isNaN(row.reward) ? null : row.reward))),
    advantage: float64List(rows.map((row) => row.advantage)),
  };
  const fields = Object.entries(columns).map(([name, data]) => new Field(name, data.type, data.nullable));
  const children = Object.values(columns);
  const struct = makeData({ type: new Struct(fields), length: rows.length, nullCount: 0, children });
  const schema = new Schema(fields);
  writeAtomic(path, tableToIPC(new Table(schema, [new RecordBatch(schema, struct)]), "file"));
}

/** Reads the completions of a step back, in the order they were written. */
export function readRollouts(path: string): RolloutRow[] {
  const table = tableFromIPC(readFileSync(path));
  const components = table.schema.fields.map(({ name }) => name).filter((name) => name.startsWith("reward/"));
  return Array.from({ length: table.numRows }, (_, index) => {
    const row = table.get(index)!;
    const array = (name: string) => (row[name] as { toArray(): unknown }).toArray();
    return {
      group: row.group as number,
      sample: row.sample as number,
      prompt: row.prompt as string,
      completion: row.completion as string,
      finish: row.finish as string,
      tokens: array("tokens") as Int32Array,
      logprobs: array("logprobs") as Float32Array,
      components: Object.fromEntries(
        components.map((name) => [name.slice("reward/".length), row[name] as number | null]),
      ),
      reward: (row.reward as number | null) ?? Number.NaN,
      advantage: array("advantage") as Float64Array,
    };
  });
}

function int32(values: number[]): Data<Int32> {
  return makeData({ type: new Int32(), length: values.length, nullCount: 0, data: Int32Array.from(values) });
}

function utf8(values: readonly string[]): Data<Utf8> {
  const encoded = values.map((value) => new TextEncoder().encode(value));
  const { data, valueOffsets } = concatenate(encoded, Uint8Array);
  return makeData({ type: new Utf8(), length: values.length, nullCount: 0, data, valueOffsets });
}

function nullableFloat64(values: readonly (number | null)[]): Data<Float64> {
  const nullBitmap = new Uint8Array(Math.ceil(values.length / 8));
  values.forEach((value, i) => {
    if (value !== null) nullBitmap[i >> 3]! |= 1 << (i & 7);
  });
  const nullCount = values.filter((value) => value === null).length;
  const data = Float64Array.from(values, (value) => value ?? 0);
  return makeData({ type: new Float64(), length: values.length, nullCount, nullBitmap, data });
}

function int32List(rows: readonly Int32Array[]): Data<List<Int32>> {
  const { data, valueOffsets } = concatenate(rows, Int32Array);
  return listOf(makeData({ type: new Int32(), length: data.length, nullCount: 0, data }), valueOffsets);
}

function float32List(rows: readonly Float32Array[]): Data<List<Float32>> {
  const { data, valueOffsets } = concatenate(rows, Float32Array);
  return listOf(makeData({ type: new Float32(), length: data.length, nullCount: 0, data }), valueOffsets);
}

function float64List(rows: readonly Float64Array[]): Data<List<Float64>> {
  const { data, valueOffsets } = concatenate(rows, Float64Array);
  return listOf(makeData({ type: new Float64(), length: data.length, nullCount: 0, data }), valueOffsets);
}

function listOf<Type extends DataType>(child: Data<Type>, valueOffsets: Int32Array): Data<List<Type>> {
  const type = new List(new Field("item", child.type, false));
  return makeData({ type, length: valueOffsets.length - 1, nullCount: 0, valueOffsets, child });
}

type Numbers = Uint8Array | Int32Array | Float32Array | Float64Array;

/** Arrays one after the other, and where each begins; one offset more than arrays. */
function concatenate<Values extends Numbers>(
  parts: readonly Values[],
  kind: new (length: number) => Values,
): { data: Values; valueOffsets: Int32Array } {
  const valueOffsets = new Int32Array(parts.length + 1);
  parts.forEach((part, i) => {
    valueOffsets[i + 1] = valueOffsets[i]! + part.length;
  });
  const data = new kind(valueOffsets[parts.length]!);
  parts.forEach((part, i) => {
    data.set(part as never, valueOffsets[i]!);
  });
  return { data, valueOffsets };
}
