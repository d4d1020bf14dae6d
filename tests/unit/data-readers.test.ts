import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import { readRecords } from "../../src/data/source.js";
import { GrpoError } from "../../src/errors.js";
import { projectRoot, sharedPath } from "../shared.js";

const vectors = join(projectRoot, "tests/golden/vectors/data");
const rows = JSON.parse(readFileSync(join(vectors, "rows.json"), "utf8")) as Record<string, unknown>[];
const folder = mkdtempSync(join(tmpdir(), "grpo-data-"));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function refuses(path: string, message: string, extra: { split?: string } = {}): Promise<void> {
  await assert.rejects(readRecords({ path, ...extra }), (error) => {
    assert.ok(error instanceof GrpoError);
    assert.equal(error.message, message);
    assert.equal(error.exitCode, 4);
    assert.ok(error.fix);
    return true;
  });
}

const columnar = ["none", "snappy", "gzip", "zstd", "lz4", "brotli", "groups"].map((name) => `${name}.parquet`);
const arrow = ["file-uncompressed.arrow", "file-lz4.arrow", "file-zstd.arrow", "dataset"];
for (const name of [...columnar, ...arrow]) {
  test(`${name} reads as the rows that pyarrow wrote`, async () => {
    assert.deepEqual(await readRecords({ path: join(vectors, name) }), rows);
    assert.deepEqual(await readRecords({ path: join(vectors, name), limit: 4 }), rows.slice(0, 4));
  });
}

test("the form of a file is found from its content, whatever its name", async () => {
  const parquet = file("a.jsonl", readFileSync(join(vectors, "zstd.parquet")));
  assert.deepEqual(await readRecords({ path: parquet }), rows);
  const stream = file("b.parquet", readFileSync(join(vectors, "dataset/data-00000-of-00002.arrow")));
  assert.deepEqual(await readRecords({ path: stream }), rows.slice(0, 3));
  const zipped = file("c.data", gzipSync('{"a":1}\n{"a":2}'));
  assert.deepEqual(await readRecords({ path: zipped }), [{ a: 1 }, { a: 2 }]);
  assert.deepEqual(await readRecords({ path: file("d.jsonl", '[{"a":1},\n {"a":2}]') }), [{ a: 1 }, { a: 2 }]);
});

test("JSON Lines keep their order, skip empty lines, and may carry a byte order mark and CRLF", async () => {
  const path = file("lines.jsonl", '\ufeff{"a":"x"}\r\n\r\n{"a":[1,{"b":null}]}\r\n');
  assert.deepEqual(await readRecords({ path }), [{ a: "x" }, { a: [1, { b: null }] }]);
  assert.deepEqual(await readRecords({ path, limit: 1 }), [{ a: "x" }]);
});

test("CSV follows RFC 4180: quotes, doubled quotes, line breaks inside fields, empty fields", async () => {
  const path = file("a.csv", 'q,a,"b,c"\r\n"x, ""y""\nz",1,\r\n2,,"3"');
  assert.deepEqual(await readRecords({ path }), [
    { q: 'x, "y"\nz', a: "1", "b,c": "" },
    { q: "2", a: "", "b,c": "3" },
  ]);
  assert.deepEqual(await readRecords({ path: file("a.tsv", "q\ta\n1,2\t3\n") }), [{ q: "1,2", a: "3" }]);
});

test("damaged files are refused with file and row", async () => {
  await refuses(join(folder, "no.jsonl"), `no.jsonl: no such file or folder: ${join(folder, "no.jsonl")}`);
  await refuses(file("empty.jsonl", ""), "empty.jsonl: the data set is empty");
  await refuses(file("header.csv", "a,b\n"), "header.csv: the data set is empty");
  await refuses(file("list.jsonl", '{"a":1}\n\n7\n'), "list.jsonl:3: expected a JSON object, found a number");
  await refuses(file("ragged.csv", 'a,b\n"1\n",2\n3\n'), "ragged.csv:4: 1 fields, but the header has 2");
  await refuses(file("open.csv", 'a,b\n1,"2\n'), "open.csv:2: a quoted field is not closed");
  await refuses(file("twice.csv", "a,a\n1,2\n"), 'twice.csv:1: column "a" is named twice');
  await refuses(file("odd.bin", "hello"), "odd.bin: cannot tell what form of data this is");
  await assert.rejects(
    readRecords({ path: file("bad.jsonl", '{"a":1}\n{"a":\n') }),
    /^GrpoError: bad\.jsonl:2: not valid JSON/,
  );
  const whole = readFileSync(join(vectors, "none.parquet"));
  await assert.rejects(
    readRecords({ path: file("cut.parquet", whole.subarray(0, 400)) }),
    /cut\.parquet: cannot be read as Parquet/,
  );
  const shard = readFileSync(join(vectors, "file-lz4.arrow"));
  await assert.rejects(
    readRecords({ path: file("cut.arrow", shard.subarray(0, 700)) }),
    /cut\.arrow: cannot be read as Arrow/,
  );
});

test("a folder of files is read by split, in the order of the names", async () => {
  const path = join(folder, "hub");
  mkdirSync(join(path, "data"), { recursive: true });
  writeFileSync(join(path, "data/train-00001-of-00002.jsonl"), '{"a":2}\n');
  writeFileSync(join(path, "data/train-00000-of-00002.jsonl"), '{"a":1}\n');
  writeFileSync(join(path, "data/test-00000-of-00001.jsonl"), '{"a":3}\n');
  assert.deepEqual(await readRecords({ path, split: "train" }), [{ a: 1 }, { a: 2 }]);
  await refuses(path, "hub: several splits and none is chosen");
  await refuses(path, 'hub: there is no split "dev"', { split: "dev" });
});

test("a data set folder that lacks a shard says which", async () => {
  const path = join(folder, "lost");
  mkdirSync(path);
  writeFileSync(join(path, "state.json"), JSON.stringify({ _data_files: [{ filename: "data-0.arrow" }] }));
  await refuses(path, "data-0.arrow: the data set names this file, but it is not there");
});

const math = sharedPath("data/benchmarks/math/train.parquet");
test("a published Parquet set of 7,500 problems reads whole", { skip: math ? false : "no shared data" }, async () => {
  const records = await readRecords({ path: math! });
  assert.equal(records.length, 7500);
  assert.ok(records.every((record) => Array.isArray(record.prompt) && typeof record.reward_model === "object"));
});
