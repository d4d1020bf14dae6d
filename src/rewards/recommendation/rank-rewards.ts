import type { ListItem } from "./parse-list.js";

export interface HitOptions {
  /** Length of the list. */
  maxItems: number;
  /** Years a recommendation may be off. */
  yearTolerance: number;
  /** Whether rank is the line of the text, as tokens are segmented, or the place among parsed items (as released). */
  ranks: "lines" | "parsed";
}

/** What a list is checked against. */
export interface ListTruth {
  /** Wanted titles with their years; entries whose year is no whole number are left out. */
  groundTruth: readonly (readonly [string, unknown])[];
  /** Titles that may not be recommended, exactly as written. */
  seen: ReadonlySet<string>;
  /** Keys of {@link catalogKey}; a recommendation outside is no hit. */
  catalog: ReadonlySet<string>;
}

/** Key of a title and year in the catalog. */
export function catalogKey(title: string, year: number): string {
  return `${title}\n${year}`;
}

/**
 * 1 per rank whose item is wanted, not seen and in the catalog, else 0 (Rank-GRPO, arXiv 2510.20150, section 3). The exact
 * year is tried first, then +1, -1, +2, -2, ...; a hit uses up one occurrence of its ground truth.
 */
export function rankHits(items: readonly ListItem[], truth: ListTruth, options: HitOptions): Float64Array {
  const hits = new Float64Array(options.maxItems);
  const left = new Map<string, number>();
  for (const [title, year] of truth.groundTruth) {
    const parsed = parseYear(year);
    if (parsed === null) continue;
    const key = catalogKey(normalise(title), parsed);
    left.set(key, (left.get(key) ?? 0) + 1);
  }
  items.forEach(({ title, year, line }, place) => {
    const rank = options.ranks === "lines" ? line : place;
    if (rank >= options.maxItems || truth.seen.has(title) || !truth.catalog.has(catalogKey(title, year))) return;
    for (const candidate of nearYears(year, options.yearTolerance)) {
      const key = catalogKey(normalise(title), candidate);
      const count = left.get(key) ?? 0;
      if (count === 0) continue;
      left.set(key, count - 1);
      hits[rank] = 1;
      return;
    }
  });
  return hits;
}

function normalise(title: string): string {
  return title.trim().replace(/\s+/gu, " ").toLowerCase();
}

function parseYear(year: unknown): number | null {
  return /^\s*[+-]?\d+\s*$/.test(String(year)) ? Number(year) : null;
}

function nearYears(year: number, tolerance: number): number[] {
  return [year, ...Array.from({ length: tolerance }, (_, i) => [year + i + 1, year - i - 1]).flat()];
}

/** Discounts of DCG: 1 / log2(k + 1) at rank k = 1, 2, ... */
export function dcgDiscounts(count: number): Float64Array {
  return Float64Array.from({ length: count }, (_, k) => 1 / Math.log2(k + 2));
}

/**
 * Reward of each rank from the hits:
 *   log_decay r_k = sum_{j >= k} rel_j / log2(j + 1), what of DCG rank k can still cause;
 *   exp_gamma r_k = sum_{j >= k} rel_j gamma^{-(j - k)};  exp_inf r_k = rel_k
 */
export function rankRewards(
  hits: Float64Array,
  form: "exp_inf" | "log_decay" | "exp_gamma",
  gamma: number,
): Float64Array {
  if (form === "exp_inf") return hits.slice();
  const discounts = dcgDiscounts(hits.length);
  const rewards = new Float64Array(hits.length);
  let suffix = 0;
  for (let k = hits.length - 1; k >= 0; k--) {
    suffix = form === "log_decay" ? suffix + hits[k]! * discounts[k]! : suffix / gamma + hits[k]!;
    rewards[k] = suffix;
  }
  return rewards;
}
