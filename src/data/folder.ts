import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { dataError } from "./data-error.js";

const dataFile = /\.(arrow|parquet|jsonl|ndjson|json|csv|tsv)(\.gz)?$/;
/** Files that describe a data set rather than hold it. */
const description = /^(state|dataset_info|dataset_dict|dataset_infos)\.json$/;

/**
 * The data files of a folder, in the order of their rows. Understood are a data set written by Hugging Face
 * `save_to_disk` (state.json names its Arrow shards), a `DatasetDict` of such (one folder per split), and a plain
 * folder of data files, where a split is the first part of the file names (`train-00000-of-00002.parquet`).
 *
 * @param split which part to read, where there are several
 * @throws GrpoError GRPO_DATA when the folder holds no data, or several splits and none is chosen
 */
export function folderFiles(folder: string, split?: string): string[] {
  const splits = savedSplits(folder);
  if (splits !== null) return folderFiles(join(folder, chooseSplit(folder, splits, split)));
  const shards = savedShards(folder);
  if (shards !== null) return shards.map((name) => join(folder, name));
  const inner = existsSync(join(folder, "data")) ? join(folder, "data") : folder;
  const names = readdirSync(inner).filter((name) => dataFile.test(name) && !description.test(name));
  if (names.length === 0) {
    throw dataError(
      folder,
      null,
      "no data files in this folder",
      "give a data file, or a folder written by save_to_disk",
    );
  }
  const named = [...new Set(names.map(splitOf))].sort();
  const chosen = named.length === 1 && split === undefined ? named[0]! : chooseSplit(folder, named, split);
  return names
    .filter((name) => splitOf(name) === chosen)
    .sort()
    .map((name) => join(inner, name));
}

/** Splits of a saved `DatasetDict`, or null for any other folder. */
function savedSplits(folder: string): string[] | null {
  const path = join(folder, "dataset_dict.json");
  return existsSync(path) ? (readJson(path) as { splits: string[] }).splits : null;
}

/** Shards of a saved data set in order, or null for any other folder. */
function savedShards(folder: string): string[] | null {
  const path = join(folder, "state.json");
  if (existsSync(path)) {
    const files = (readJson(path) as { _data_files?: { filename: string }[] })._data_files;
    if (files !== undefined) return files.map((file) => file.filename);
  }
  if (!existsSync(path) && !existsSync(join(folder, "dataset_info.json"))) return null;
  const shards = readdirSync(folder).filter((name) => name.endsWith(".arrow"));
  return shards.length > 0 ? shards.sort() : null;
}

function chooseSplit(folder: string, splits: string[], split: string | undefined): string {
  if (split !== undefined && splits.includes(split)) return split;
  const what = split === undefined ? "several splits and none is chosen" : `there is no split "${split}"`;
  throw dataError(folder, null, what, `set split to one of ${splits.join(", ")}`);
}

/** Numbered files without a name (`0000.parquet`) are one split. */
function splitOf(name: string): string {
  const first = /^[^-.]+/.exec(name)?.[0] ?? name;
  return /^\d+$/.test(first) ? "train" : first;
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw dataError(path, null, `not valid JSON: ${(cause as Error).message}`, "save the data set again", cause);
  }
}
