import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { parseArrow } from "./arrow.js";
import { type BuiltinOptions, builtinTask } from "./builtin/registry.js";
import { parseCsv } from "./csv.js";
import { dataError } from "./data-error.js";
import { folderFiles } from "./folder.js";
import { parseJsonArray, parseJsonLines } from "./json.js";
import { readParquet } from "./parquet.js";
import type { DataRecord } from "./plain.js";

/** Where rows come from: a file or folder by `path`, or a built-in task with its options. */
export interface DataSource extends BuiltinOptions {
  path?: string | undefined;
  builtin?: string | undefined;
  limit?: number | undefined;
}

/** What a source is called in messages. */
export function sourceName(source: DataSource): string {
  return source.path ?? `builtin:${source.builtin}`;
}

/**
 * All rows of a source, in order. The form of a file is found from its content (Parquet, Arrow IPC file or stream, gzip,
 * JSON array, JSON Lines) and, for delimited text, from its name.
 *
 * @throws GrpoError GRPO_DATA with file and row when something is missing, empty or damaged
 */
export async function readRecords(source: DataSource): Promise<DataRecord[]> {
  const limit = source.limit ?? Number.POSITIVE_INFINITY;
  const { path, builtin } = source;
  if (builtin !== undefined) return builtinTask(builtin).rows(source).slice(0, limit);
  if (path === undefined) throw new TypeError("a data source needs a path or the name of a built-in task");
  if (!existsSync(path)) throw dataError(path, null, `no such file or folder: ${path}`, "check the path");
  const files = statSync(path).isDirectory() ? folderFiles(path, source.split) : [path];
  const records: DataRecord[] = [];
  for (const file of files) {
    for (const record of await readFile(file, limit - records.length)) records.push(record);
    if (records.length >= limit) break;
  }
  if (records.length === 0) throw dataError(path, null, "the data set is empty", "give a source with at least one row");
  return records;
}

/** Rows of one file. */
async function readFile(path: string, limit: number): Promise<DataRecord[]> {
  if (!existsSync(path))
    throw dataError(path, null, "the data set names this file, but it is not there", "copy it again");
  if (firstBytes(path, 4).toString("latin1") === "PAR1") return readParquet(path, limit);
  let bytes: Buffer = readFileSync(path);
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) bytes = unzip(path, bytes);
  if (isArrow(bytes)) return parseArrow(path, bytes, limit);
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) bytes = bytes.subarray(3);
  const name = path.replace(/\.gz$/, "");
  if (/\.[ct]sv$/.test(name)) return parseCsv(path, bytes.toString("utf8"), name.endsWith(".tsv") ? "\t" : ",", limit);
  const first = /\S/.exec(bytes.toString("utf8", 0, 4096))?.[0];
  if (first === "[") return parseJsonArray(path, bytes, limit);
  if (first === undefined || first === "{" || /\.(jsonl|ndjson|json)$/.test(name))
    return parseJsonLines(path, bytes, limit);
  const fix = "use JSON Lines, CSV (named .csv or .tsv), Parquet, or Arrow";
  throw dataError(path, null, "cannot tell what form of data this is", fix);
}

/** An IPC file starts with its magic; a stream with the marker of its first message, whose length follows. */
function isArrow(bytes: Buffer): boolean {
  return (
    bytes.subarray(0, 6).toString("latin1") === "ARROW1" || (bytes.length >= 8 && bytes.readUInt32LE(0) === 0xffffffff)
  );
}

function unzip(path: string, bytes: Buffer): Buffer {
  try {
    return gunzipSync(bytes);
  } catch (cause) {
    throw dataError(
      path,
      null,
      `cannot be unzipped: ${(cause as Error).message}`,
      "write or copy the file again",
      cause,
    );
  }
}

function firstBytes(path: string, count: number): Buffer {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (cause) {
    throw dataError(path, null, `cannot be opened: ${(cause as Error).message}`, "check its permissions", cause);
  }
  try {
    const bytes = Buffer.alloc(count);
    return bytes.subarray(0, readSync(file, bytes, 0, count, 0));
  } finally {
    closeSync(file);
  }
}
