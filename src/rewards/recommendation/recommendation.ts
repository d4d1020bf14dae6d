import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { RewardSpecOf } from "../../config/schema/rewards.js";
import { ExitCode, GrpoError } from "../../errors.js";
import type { SpanScorer } from "../types.js";
import { parseList } from "./parse-list.js";
import { catalogKey, rankHits, rankRewards } from "./rank-rewards.js";

/**
 * Rewards of the ranks of a recommendation list: one value per rank, for ratios and advantages of spans. Notes how many items
 * a list has and which share of them is in the catalog.
 *
 * @param baseDir folder that a relative path of the catalog starts from
 * @throws GrpoError GRPO_REWARD_FILE (exit 4) when the catalog cannot be read; when called, GRPO_DATA for a row without the
 *   columns
 */
export function recommendationReward(spec: RewardSpecOf<"recommendation">, baseDir: string): SpanScorer {
  const catalog = readCatalog(spec.name, resolve(baseDir, spec.catalog));
  const options = { maxItems: spec.max_items, yearTolerance: spec.year_tolerance, ranks: spec.ranks };
  return ({ completion, record }, note) => {
    const groundTruth = column(spec.name, record, spec.ground_truth) as [string, unknown][];
    const seen = new Set(spec.seen === null ? [] : (column(spec.name, record, spec.seen) as string[]));
    const items = parseList(completion);
    const listed = items.filter(({ title, year }) => catalog.has(catalogKey(title, year)));
    note?.("items", items.length);
    if (items.length > 0) note?.("in_catalog", listed.length / items.length);
    const hits = rankHits(items, { groundTruth, seen, catalog }, options);
    return rankRewards(hits, spec.form, spec.gamma);
  };
}

function column(reward: string, record: Record<string, unknown>, name: string): unknown[] {
  const value = record[name];
  if (Array.isArray(value)) return value;
  throw new GrpoError("GRPO_DATA", `reward "${reward}": column "${name}" of the data row is no list`, {
    exitCode: ExitCode.data,
    fix: "name a column that holds a list, or add it to the data",
  });
}

function readCatalog(reward: string, path: string): ReadonlySet<string> {
  try {
    const items = JSON.parse(readFileSync(path, "utf8")) as [string, number][];
    return new Set(items.map(([title, year]) => catalogKey(title, Number(year))));
  } catch (cause) {
    throw new GrpoError("GRPO_REWARD_FILE", `reward "${reward}": cannot read the catalog ${path}`, {
      exitCode: ExitCode.data,
      fix: "give a JSON file that holds a list of [title, year]",
      cause,
    });
  }
}
