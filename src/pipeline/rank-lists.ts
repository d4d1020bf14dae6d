import { readFileSync, writeFileSync } from "node:fs";
import { dataError } from "../data/data-error.js";
import { fitAdjustment, type ScoredDialogue } from "../data/list-adjustment.js";
import { adjustScores, reflectScores, remapScores, teacherWeights, topItems } from "../data/list-scores.js";
import type { DataRecord } from "../data/plain.js";
import { readRecords } from "../data/source.js";
import { onDisk } from "../report/disk-error.js";
import { catalogKey } from "../rewards/recommendation/rank-rewards.js";
import { cosine } from "../rewards/semantic/cosine.js";
import type { TextEmbedder } from "../rewards/semantic/semantic-reward.js";
import { openTextEmbedder } from "./text-embedder.js";

export interface RankListOptions {
  /** Length of the lists. */
  items: number;
  /** Weight of the cosine of dialogue and item. */
  lambda: number;
  /** Weight of the teacher's ratings. */
  gamma: number;
  regularisation: number;
  /** Steps of the fit; 0 leaves the scores unadjusted. */
  steps: number;
}

/** An item as files name it: title, year and, in the catalog, what is known of it. */
type Item = readonly [title: string, year: number, about?: string];

/**
 * Lists of catalog items to teach before Rank-GRPO, from lists of a teacher that does not know the catalog (Remap, Reflect, Adjust:
 * ConvRec-R1, arXiv 2510.20150, section 4.1).
 *
 * @param dialogues rows with the columns `prompt`, `teacher` ([[title, year], ...], best first) and
 *   `groundtruth_with_release_year`; `ratings` ([[title, year, -2 .. 2], ...]) and `context` (the dialogue as text) if they like
 * @param source name of the dialogues in messages
 * @returns the rows with a column `completion`, a line `Title (Year)` per item
 * @throws GrpoError GRPO_DATA for a row without these columns
 */
export async function rankLists(
  dialogues: readonly DataRecord[],
  catalog: readonly Item[],
  embedder: Pick<TextEmbedder, "embed">,
  options: RankListOptions,
  source: string,
): Promise<DataRecord[]> {
  const places = new Map(catalog.map(([title, year], v) => [catalogKey(title, Number(year)), v]));
  const placeOf = ([title, year]: Item) => places.get(catalogKey(title, Number(year)));
  const vectors = await embedder.embed(catalog.map(describe));
  const teacherVectors = new Map<string, Float64Array>();
  const scored: ScoredDialogue[] = [];
  for (const [row, record] of dialogues.entries()) {
    const teacher = items(record, "teacher", row, source);
    for (const item of teacher) {
      const text = describe(catalog[placeOf(item) ?? -1] ?? item);
      if (!teacherVectors.has(text)) teacherVectors.set(text, (await embedder.embed([text]))[0]!);
    }
    const own = teacher.map((item) => teacherVectors.get(describe(catalog[placeOf(item) ?? -1] ?? item))!);
    const [dialogue] = await embedder.embed([textOf(record)]);
    const remapped = remapScores(
      teacherWeights([...teacher.keys()], teacher.length),
      own.map((vector) => vectors.map((other) => cosine(vector, other))),
      teacher.map((item) => catalog.map((_, v) => (placeOf(item) === v ? 1 : 0))),
      vectors.map((vector) => cosine(dialogue!, vector)),
      options.lambda,
    );
    const ratings = new Array<number>(catalog.length).fill(0);
    for (const [title, year, rating] of items(record, "ratings", row, source, false)) {
      const v = placeOf([title, year]);
      if (v !== undefined) ratings[v] = Number(rating);
    }
    const positives = items(record, "groundtruth_with_release_year", row, source).flatMap(
      (item) => placeOf(item) ?? [],
    );
    scored.push({ scores: reflectScores(remapped, ratings, options.gamma), positives });
  }
  const { w, b } = fitAdjustment(scored, options);
  return dialogues.map((record, row) => {
    const best = topItems(adjustScores(scored[row]!.scores, w, b), options.items);
    return { ...record, completion: best.map((v) => `${catalog[v]![0]} (${catalog[v]![1]})`).join("\n") };
  });
}

const describe = ([title, year, about]: Item) => `${title} (${year})${about === undefined ? "" : `, ${about}`}`;

/** The dialogue as text: its own column, or the prompt, of messages their contents. */
function textOf({ context, prompt }: DataRecord): string {
  if (typeof context === "string") return context;
  if (!Array.isArray(prompt)) return String(prompt);
  return prompt.map((message) => String((message as { content?: unknown }).content)).join("\n");
}

function items(record: DataRecord, column: string, row: number, source: string, needed = true): Item[] {
  const value = record[column];
  if (value === undefined && !needed) return [];
  if (Array.isArray(value) && value.every((item) => Array.isArray(item) && item.length >= 2)) return value as Item[];
  throw dataError(source, row + 1, `column "${column}" is no list of [title, year]`, "name the items of the row so");
}

/** {@link rankLists} from files to a file of JSON lines. */
export async function writeRankLists(
  files: { dialogues: string; catalog: string; encoder: string; out: string },
  options: RankListOptions,
): Promise<number> {
  const dialogues = await readRecords({ path: files.dialogues });
  const catalog = readCatalog(files.catalog);
  const embedder = await openTextEmbedder(files.encoder, "mean");
  try {
    const rows = await rankLists(dialogues, catalog, embedder, options, files.dialogues);
    const text = rows.map((record) => `${JSON.stringify(record)}\n`).join("");
    onDisk(files.out, () => writeFileSync(files.out, text));
    return rows.length;
  } finally {
    embedder.close();
  }
}

function readCatalog(path: string): Item[] {
  const fix = "give a JSON file that holds a list of [title, year] or [title, year, about]";
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Item[];
  } catch (cause) {
    throw dataError(path, null, "the catalog cannot be read", fix, cause);
  }
}
