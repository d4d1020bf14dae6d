import type { Row } from "./types.js";

/** Indices of the trained rows of each group, in batch order; rows of a group need not be contiguous. */
export function trainedGroups(rows: readonly Row[]): number[][] {
  const groups = new Map<number, number[]>();
  rows.forEach((row, index) => {
    if (row.role !== "train") return;
    const members = groups.get(row.group);
    if (members === undefined) groups.set(row.group, [index]);
    else members.push(index);
  });
  return [...groups.values()];
}

/** Number of trained actions of a row. */
export function trainedActions(row: Row): number {
  let count = 0;
  for (let t = 0; t < row.length; t++) count += row.mask[t]!;
  return count;
}

/** Everything a row earned: its reward plus the rewards of its trained actions. */
export function outcome(row: Row): number {
  let total = row.reward;
  if (row.actionRewards !== undefined) {
    for (let t = 0; t < row.length; t++) if (row.mask[t] === 1) total += row.actionRewards[t]!;
  }
  return total;
}

/** Reward of each action: the row's reward on its last trained action, plus the rewards of single actions. */
export function actionRewards(row: Row): Float64Array {
  const rewards = new Float64Array(row.length);
  for (let t = 0; t < row.length; t++) if (row.mask[t] === 1) rewards[t] = row.actionRewards?.[t] ?? 0;
  const last = row.mask.lastIndexOf(1);
  if (last >= 0) rewards[last] = rewards[last]! + row.reward;
  return rewards;
}

/** One value per row, spread over the row's trained actions; 0 elsewhere. */
export function spread(rows: readonly Row[], values: ArrayLike<number>): Float64Array[] {
  return rows.map((row, i) => {
    const value = values[i]!;
    return Float64Array.from({ length: row.length }, (_, t) => (row.mask[t] === 1 ? value : 0));
  });
}
