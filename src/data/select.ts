import { type AccuracyHistory, readAccuracyHistory } from "./accuracy-history.js";
import { dataError } from "./data-error.js";
import type { DataRecord } from "./plain.js";
import { Purpose, permutation } from "./random.js";

/** Longest history that the learning impact looks at, as released. */
const IMPACT_VISITS = 1000;

/** How examples are ranked before some are chosen. */
export interface Selection {
  method: "historical_variance" | "learning_impact" | "random";
  history?: string | undefined;
  /** Column that holds the ids of the history; the row number when absent. */
  id?: string | undefined;
  /** Places in the ranking to keep, counted from 1. */
  ranks: readonly number[];
}

/**
 * Deviation (divided by n) of an example's accuracy over its visits: the historical variance score of 1-shot RLVR
 * (arXiv 2504.20571, section 2.2).
 */
export function historicalVariance(history: AccuracyHistory): Map<string, number> {
  return new Map(
    [...history].map(([id, list]) => {
      const center = list.reduce((sum, value) => sum + value, 0) / list.length;
      return [id, Math.sqrt(list.reduce((sum, value) => sum + (value - center) ** 2, 0) / list.length)];
    }),
  );
}

/**
 * Learning impact: 1 - sum_e (s_ie - mean_i s_ie)^2 / sum_e (1 - mean_i s_ie)^2 over the visits e that all examples have, how
 * closely an example follows the average curve (arXiv 2502.11886, eq. 2). 0 where all are always solved.
 */
export function learningImpact(history: AccuracyHistory): Map<string, number> {
  const lists = [...history.values()];
  const visits = Math.min(IMPACT_VISITS, ...lists.map((list) => list.length));
  const curve = Array.from({ length: visits }, (_, e) => lists.reduce((sum, list) => sum + list[e]!, 0) / lists.length);
  const distance = (list: readonly number[]) => curve.reduce((sum, value, e) => sum + (list[e]! - value) ** 2, 0);
  const scale = curve.reduce((sum, value) => sum + (1 - value) ** 2, 0);
  return new Map([...history].map(([id, list]) => [id, scale === 0 ? 0 : 1 - distance(list) / scale]));
}

/** Ids from the highest score down; of equal scores the first comes first. */
export function ranked(scores: ReadonlyMap<string, number>): string[] {
  return [...scores].sort(([, a], [, b]) => b - a).map(([id]) => id);
}

/**
 * The rows at the wanted ranks, in the order of `ranks`.
 *
 * @throws GrpoError GRPO_DATA for a history that cannot be read, or a rank or an id that is not there
 */
export function selectRecords(records: readonly DataRecord[], selection: Selection, seed: number): DataRecord[] {
  const { method, history, id, ranks } = selection;
  const source = history ?? "data.select";
  const idOf = (record: DataRecord, row: number) => String(id === undefined ? row : record[id]);
  const byId = new Map(records.map((record, row) => [idOf(record, row), record]));
  const order = method === "random" ? randomOrder([...byId.keys()], seed) : ranked(score(method, source));
  return ranks.map((rank) => {
    const chosen = order[rank - 1];
    if (chosen === undefined) {
      throw dataError(source, null, `there is no rank ${rank} among ${order.length} examples`, "choose smaller ranks");
    }
    const record = byId.get(chosen);
    if (record === undefined) {
      const fix = "let data.select.id name the column that holds the ids of the history";
      throw dataError(source, null, `no row has the id ${JSON.stringify(chosen)} of rank ${rank}`, fix);
    }
    return record;
  });
}

function score(method: "historical_variance" | "learning_impact", path: string): Map<string, number> {
  const history = readAccuracyHistory(path);
  return method === "historical_variance" ? historicalVariance(history) : learningImpact(history);
}

function randomOrder(ids: readonly string[], seed: number): string[] {
  return Array.from(permutation(ids.length, seed, Purpose.select, 0), (i) => ids[i]!);
}
