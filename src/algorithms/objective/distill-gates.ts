import type { TermConfig } from "../../config/schema/terms.js";
import { outcome } from "../rows.js";
import type { Row } from "../types.js";

type DistillConfig = Extract<TermConfig, { kind: "distill" }>;

/** Trained actions on which the teacher speaks: those of rows, or of groups, that no correct response takes away. */
export function distillGates(
  rows: readonly Row[],
  masks: readonly Uint8Array[],
  { mask, correct_at }: Pick<DistillConfig, "mask" | "correct_at">,
  maskEnd: boolean,
): Uint8Array[] {
  const solved = new Set(rows.filter((row) => outcome(row) >= correct_at).map(({ group }) => group));
  return rows.map((row, i) => {
    const silent = mask === "response" ? outcome(row) >= correct_at : mask === "group" && solved.has(row.group);
    if (silent) return new Uint8Array(row.length);
    const gate = masks[i]!.slice();
    const last = gate.lastIndexOf(1);
    if (maskEnd && row.terminated && last >= 0) gate[last] = 0;
    return gate;
  });
}
