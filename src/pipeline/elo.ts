import { dataError } from "../data/data-error.js";
import { readRecords } from "../data/source.js";
import { averagedEloRatings, type EloOptions, type Match } from "../eval/elo.js";

/**
 * Ratings of the names in a file of matches: rows with the columns `first`, `second` and `score`, which is the first's: 1 for a
 * win, 0.5 for a tie, 0 for a loss. A judge that saw both orders of a pair gives two rows.
 *
 * @returns names with their ratings, best first
 * @throws GrpoError GRPO_DATA for rows without these columns
 */
export async function rateMatches(
  path: string,
  options: EloOptions & { shuffles: number; seed: number },
): Promise<[name: string, rating: number][]> {
  const records = await readRecords({ path });
  const matches = records.map(({ first, second, score }, row): Match => {
    const named = typeof first === "string" && typeof second === "string" && first !== second;
    if (named && typeof score === "number" && score >= 0 && score <= 1) return [first, second, score];
    throw dataError(path, row + 1, "is no match", "give `first` and `second`, two names, and `score` from 0 to 1");
  });
  return Object.entries(averagedEloRatings(matches, options, options)).sort((a, b) => b[1] - a[1]);
}
