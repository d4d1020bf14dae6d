import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { maskedCrc32c, TensorboardLog } from "../../src/report/tensorboard.js";

type Field = { field: number; value: number | Uint8Array };

/** A protobuf message as its fields: varints and fixed numbers as numbers, the rest as bytes. */
function parseMessage(data: Uint8Array): Field[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const fields: Field[] = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = data[at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  const varintIf = (wanted: boolean) => (wanted ? varint() : 0);
  while (at < data.length) {
    const key = varint();
    const field = Math.floor(key / 8);
    const width = { 0: 0, 1: 8, 2: varintIf(key % 8 === 2), 5: 4 }[key % 8]!;
    if (key % 8 === 0) fields.push({ field, value: varint() });
    else if (key % 8 === 1) fields.push({ field, value: view.getFloat64(at, true) });
    else if (key % 8 === 5) fields.push({ field, value: view.getFloat32(at, true) });
    else fields.push({ field, value: data.subarray(at, at + width) });
    at += width;
  }
  return fields;
}

/** The records of a TFRecord file; every checksum is verified. */
function parseRecords(file: Uint8Array): Uint8Array[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const records: Uint8Array[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(view.getBigUint64(at, true));
    assert.equal(view.getUint32(at + 8, true), maskedCrc32c(file.subarray(at, at + 8)));
    const data = file.subarray(at + 12, at + 12 + length);
    assert.equal(view.getUint32(at + 12 + length, true), maskedCrc32c(data));
    records.push(data);
    at += length + 16;
  }
  return records;
}

test("the checksum is CRC-32C, masked", () => {
  // Check value of CRC-32C for "123456789" (RFC 3720 polynomial): e3069283.
  const crc = 0xe3069283;
  const masked = (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
  assert.equal(maskedCrc32c(new TextEncoder().encode("123456789")), masked);
});

test("an event file parses back: version, session start, then the finite numbers of each step", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "grpo-tensorboard-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const log = new TensorboardLog(folder, 200, () => 1234.5);
  log.append(300, { step: 300, stage: "grpo", "reward/mean": 0.25, loss: Number.NaN, "kl/mean": null, grad_norm: 2 });
  log.close();
  const [name] = readdirSync(folder);
  assert.match(name!, /^events\.out\.tfevents\.1234\./);
  const events = parseRecords(readFileSync(join(folder, name!))).map(parseMessage);
  const text = (value: unknown) => new TextDecoder().decode(value as Uint8Array);
  assert.equal(events.length, 3);
  assert.deepEqual(
    events[0]!.map(({ field }) => field),
    [1, 3],
  );
  assert.equal(events[0]![0]!.value, 1234.5);
  assert.equal(text(events[0]![1]!.value), "brain.Event:2");
  assert.deepEqual(
    events[1]!.map(({ field, value }) => [field, value instanceof Uint8Array ? parseMessage(value) : value]),
    [
      [1, 1234.5],
      [2, 200],
      [7, [{ field: 1, value: 1 }]],
    ],
  );
  assert.equal(events[2]![1]!.value, 300);
  const scalars = parseMessage(events[2]![2]!.value as Uint8Array).map(({ value }) =>
    parseMessage(value as Uint8Array),
  );
  assert.deepEqual(
    scalars.map((fields) =>
      fields.map(({ field, value }) => [field, value instanceof Uint8Array ? text(value) : value]),
    ),
    [
      [
        [1, "reward/mean"],
        [2, 0.25],
      ],
      [
        [1, "grad_norm"],
        [2, 2],
      ],
    ],
  );
});
