import type { ShapeConfig } from "../../config/schema/shape.js";
import { trainedGroups } from "../rows.js";
import { addMean } from "../tally.js";
import type { MetricLog, RewardShaper, Row } from "../types.js";

export type SerialDecayConfig = Omit<Extract<ShapeConfig[number], { kind: "serial_decay" }>, "kind">;

/**
 * S-GRPO (arXiv 2505.07686, eq. 3): the rows of a group in exit order, the full response last,
 *   r_i = base^(1 - N_right) if row i is correct, N_right counting the correct rows up to it, else 0
 * so that the earliest correct exit earns most. A row without reward keeps none, and counts as wrong.
 */
export function serialDecayShaper({ base, correct_at }: SerialDecayConfig): RewardShaper {
  return {
    needs: {},
    shape: (rows, log) => {
      for (const members of trainedGroups(rows)) {
        const group = members.map((i) => rows[i]!);
        const right = group.map(({ reward }) => reward >= correct_at);
        let earlier = 0;
        group.forEach((row, k) => {
          if (Number.isNaN(row.reward)) return;
          row.reward = right[k] ? base ** -earlier : 0;
          if (right[k]) earlier += 1;
        });
        record(group, right, log);
      }
    },
  };
}

function record(group: readonly Row[], right: readonly boolean[], log: MetricLog | undefined): void {
  const count = right.filter(Boolean).length;
  const first = right.indexOf(true);
  const full = group.at(-1)!;
  right.forEach((correct, k) => {
    const name = k === group.length - 1 ? "serial/correct_full" : `serial/correct_${k + 1}`;
    addMean(log, name, correct ? 1 : 0, 1);
  });
  for (let n = 0; n <= group.length; n++) addMean(log, `serial/right_${n}`, n === count ? 1 : 0, 1);
  if (first >= 0) {
    addMean(log, "serial/first_correct", first + 1, 1);
    addMean(log, "serial/tokens_saved", full.length - group[first]!.length, 1);
  }
  // Role 0: the thought (spans of the serial group's rollout).
  const thought = full.spans.role?.filter((role) => role === 0).length;
  if (thought !== undefined) addMean(log, "serial/thought_length", thought, 1);
}
