import { dataError } from "../data/data-error.js";
import type { Task } from "../tree/episode.js";

/** Most values of a column that metrics are kept for: each adds a few metrics to every step. */
const MOST_VALUES = 50;

/**
 * Checks `data.metrics_by` on the rows of a stage. A column that no row has is said once: rows without it are left out.
 *
 * @throws GrpoError GRPO_DATA for a column with too many values
 */
export function checkMetricsBy(
  tasks: readonly Task[],
  column: string,
  source: string,
  say: (text: string) => void,
): void {
  const values = new Set(
    tasks.map(({ record }) => record[column]).filter((value) => value !== undefined && value !== null),
  );
  if (values.size === 0) say(`no row has the column "${column}" of data.metrics_by: metrics are not split by it`);
  if (values.size <= MOST_VALUES) return;
  const what = `the column "${column}" of data.metrics_by has ${values.size} different values`;
  throw dataError(source, null, what, `name a column with at most ${MOST_VALUES}, or set data.metrics_by: null`);
}
