import { closeSync, openSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { onDisk } from "./disk-error.js";

// File format: TFRecord framing (length: uint64, its masked CRC, data, its masked CRC; all little-endian), each record a
// protobuf `Event` (tensorflow/core/util/event.proto): wall_time = 1 double, step = 2 int64, file_version = 3 string,
// summary = 5 {value = 1 {tag = 1 string, simple_value = 2 float}}, session_log = 7 {status = 1 enum, START = 1}.

/** Writes the scalars of a run for TensorBoard, one event file per process. */
export class TensorboardLog {
  private readonly path: string;
  private readonly file: number;

  /**
   * @param runDir the folder TensorBoard is pointed at
   * @param startStep first step of this process: TensorBoard drops what an earlier process wrote from there on
   * @throws GrpoError GRPO_DISK (exit 4) where the file cannot be made
   */
  constructor(
    runDir: string,
    startStep: number,
    private readonly now: () => number = () => Date.now() / 1000,
  ) {
    const name = `events.out.tfevents.${Math.floor(now())}.${hostname()}.${process.pid}.${startStep}`;
    this.path = join(runDir, name);
    this.file = onDisk(this.path, () => openSync(this.path, "w"));
    this.write(lengthDelimited(3, new TextEncoder().encode("brain.Event:2")));
    this.write(varintField(2, startStep), lengthDelimited(7, varintField(1, 1)));
  }

  /** Writes the numbers of a step; what is no finite number is left out. */
  append(step: number, metrics: Readonly<Record<string, unknown>>): void {
    const values = Object.entries(metrics).flatMap(([tag, value]) =>
      typeof value === "number" && Number.isFinite(value) && tag !== "step"
        ? [lengthDelimited(1, concat([lengthDelimited(1, new TextEncoder().encode(tag)), floatField(2, value)]))]
        : [],
    );
    this.write(varintField(2, step), lengthDelimited(5, concat(values)));
  }

  close(): void {
    closeSync(this.file);
  }

  private write(...fields: Uint8Array[]): void {
    const event = concat([doubleField(1, this.now()), ...fields]);
    onDisk(this.path, () => writeSync(this.file, frame(event)));
  }
}

/** One TFRecord: the data between its length and checksums. */
export function frame(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(data.length + 16);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc32c(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc32c(data), true);
  return record;
}

/** CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), rotated and shifted as TFRecord files want it. */
export function maskedCrc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = (crc >>> 8) ^ crcTable[(crc ^ byte) & 0xff]!;
  crc = ~crc >>> 0;
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = BigInt(value); ; rest >>= 7n) {
    const low = Number(rest & 127n);
    if (rest < 128n) return Uint8Array.from([...bytes, low]);
    bytes.push(low | 128);
  }
}

function varintField(field: number, value: number): Uint8Array {
  return concat([varint(field << 3), varint(value)]);
}

function doubleField(field: number, value: number): Uint8Array {
  return concat([varint((field << 3) | 1), new Uint8Array(Float64Array.of(value).buffer)]);
}

function lengthDelimited(field: number, data: Uint8Array): Uint8Array {
  return concat([varint((field << 3) | 2), varint(data.length), data]);
}

function floatField(field: number, value: number): Uint8Array {
  return concat([varint((field << 3) | 5), new Uint8Array(Float32Array.of(value).buffer)]);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let end = 0;
  for (const part of parts) {
    whole.set(part, end);
    end += part.length;
  }
  return whole;
}
