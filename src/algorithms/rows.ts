import { ExitCode, GrpoError } from "../errors.js";
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

/** The last trained action of a row that ended by itself, or -1. */
export function endAction(row: Row): number {
  return row.terminated ? row.mask.lastIndexOf(1) : -1;
}

/**
 * Span id of each action of a row, -1 outside all spans of that name.
 *
 * @throws Error when the row has no spans of that name
 */
export function spansOf(row: Row, name: string): Int32Array {
  const spans = row.spans[name];
  if (spans === undefined) throw new Error(`no spans named ${name} in this row`);
  return spans;
}

/**
 * The advantage of a row, for methods that know one number per response; 0 where nothing is trained.
 *
 * @throws GrpoError GRPO_CONFIG (exit code 3) when its trained actions have different advantages
 */
export function rowAdvantage({ advantage, mask }: Row): number {
  if (advantage === undefined) throw new Error("the row has no advantages");
  const first = mask.indexOf(1);
  if (first < 0) return 0;
  const value = advantage[first]!;
  if (mask.every((on, t) => on !== 1 || advantage[t] === value)) return value;
  throw new GrpoError("GRPO_CONFIG", "the objective needs one advantage per response, and its actions have several", {
    exitCode: ExitCode.config,
    fix: "choose an advantage that judges whole responses, such as group or leave_one_out",
  });
}
