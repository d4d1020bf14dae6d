import type { AttentionPlan } from "./attention-plan.js";

/** A run of neighbouring rows of a packed tree, to be computed after all runs before it. */
export interface RowRun {
  /** First row of the run. */
  first: number;
  /** The plan of its rows alone, over the blocks of the whole tree. */
  plan: AttentionPlan;
  /** Where its queries start among all queries, and how many it has. */
  firstQuery: number;
  queries: number;
  /** Its queried rows, counted from `first`; undefined when every row is queried. */
  queryRows: Int32Array | undefined;
}

/**
 * Cuts a plan into runs of at most `size` rows. A run copies the keys of the branches that start in it: by then the keys before
 * them are there, because parents come before children.
 *
 * @throws RangeError when rows see keys after them (`lastKeys`)
 */
export function cutRows(plan: AttentionPlan, queryRows: Int32Array | undefined, size: number): RowRun[] {
  if (plan.lastKeys !== undefined) throw new RangeError("cutRows: rows that see keys after them cannot be cut");
  const starts = branchStarts(plan);
  const runs: RowRun[] = [];
  let firstQuery = 0;
  for (let first = 0; first < plan.rows; first += size) {
    const end = Math.min(plan.rows, first + size);
    let lastQuery = queryRows === undefined ? end : firstQuery;
    if (queryRows !== undefined) while (lastQuery < queryRows.length && queryRows[lastQuery]! < end) lastQuery++;
    const copies: number[] = [];
    for (const [i, start] of starts.entries()) {
      if (start >= first && start < end) copies.push(...plan.copies.subarray(3 * i, 3 * i + 3));
    }
    runs.push({
      first,
      plan: {
        ...plan,
        rows: end - first,
        position: plan.position.subarray(first, end),
        table: plan.table.subarray(first, end),
        writeBlock: plan.writeBlock.subarray(first, end),
        copies: Int32Array.from(copies),
      },
      firstQuery,
      queries: lastQuery - firstQuery,
      queryRows: queryRows?.subarray(firstQuery, lastQuery).map((row) => row - first),
    });
    firstQuery = lastQuery;
  }
  return runs;
}

/** For each copy of a plan, the first row of the branch that reads it. */
function branchStarts(plan: AttentionPlan): number[] {
  const firstRow = new Map<number, number>();
  for (let row = plan.rows - 1; row >= 0; row--) firstRow.set(plan.writeBlock[row]!, row);
  return Array.from({ length: plan.copies.length / 3 }, (_, i) => firstRow.get(plan.copies[3 * i + 1]!)!);
}
