import type { Row } from "../types.js";

/** One decision of a trajectory: actions `start` to `end` of row `row`. */
export interface StepRecord {
  row: number;
  start: number;
  end: number;
  group: number;
  trajectory: number;
  anchor?: string | undefined;
  reward: number;
  /** What the whole trajectory earned. */
  outcome: number;
  valid: boolean;
}

/** The steps of the trained rows, in order. Where no step of a trajectory has a reward, the last one gets the row's. */
export function stepRecords(rows: readonly Row[]): StepRecord[] {
  const records = rows.flatMap((row, i) => {
    if (row.role !== "train") return [];
    const { group, trajectory, reward: outcome } = row;
    const steps: Row["steps"] = row.steps.length > 0 ? row.steps : [{ start: 0, end: row.length, meta: {} }];
    return steps.map(({ start, end, anchor, reward = Number.NaN, valid = true }) => {
      return { row: i, start, end, group, trajectory, anchor, reward, outcome, valid };
    });
  });
  for (const members of partition(records, trajectoryOf)) {
    const steps = members.map((j) => records[j]!);
    const rewarded = steps.some(({ reward }) => !Number.isNaN(reward));
    for (const step of steps) if (Number.isNaN(step.reward)) step.reward = 0;
    if (!rewarded) steps.at(-1)!.reward = steps.at(-1)!.outcome;
  }
  return records;
}

/** Discounted return of each step, G = r + gamma G_next, within its trajectory. */
export function stepReturns(steps: readonly StepRecord[], gamma: number): number[] {
  const returns = steps.map(({ reward }) => reward);
  for (const members of partition(steps, trajectoryOf)) {
    for (let k = members.length - 2; k >= 0; k--) returns[members[k]!]! += gamma * returns[members[k + 1]!]!;
  }
  return returns;
}

/** Names the trajectory of a step within a batch. */
export function trajectoryOf({ group, trajectory }: Pick<StepRecord, "group" | "trajectory">): string {
  return `${group} ${trajectory}`;
}

/** Indices of the items with equal keys, in order of first appearance. */
export function partition<T>(items: readonly T[], key: (item: T, index: number) => unknown): number[][] {
  const parts = new Map<unknown, number[]>();
  items.forEach((item, index) => {
    const name = key(item, index);
    const part = parts.get(name);
    if (part === undefined) parts.set(name, [index]);
    else part.push(index);
  });
  return [...parts.values()];
}
