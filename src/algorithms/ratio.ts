import { segmentRatio } from "../engine/ops/segment-ratio.js";
import { spansOf } from "./rows.js";
import type { Row } from "./types.js";

/** Unit of the importance ratio: single actions, the whole response, or the named spans of a response. */
export type RatioLevel = "token" | "sequence" | { span: string };

/**
 * Segment id of each action for `segmentRatio`. An action outside all spans is a segment of its own.
 *
 * @throws Error when the row has no spans of that name
 */
export function segmentsOf(row: Row, level: RatioLevel): Int32Array {
  if (level === "sequence") return new Int32Array(row.length);
  if (level === "token") return Int32Array.from({ length: row.length }, (_, t) => t);
  const spans = spansOf(row, level.span);
  const free = spans.reduce((max, id) => Math.max(max, id), -1) + 1;
  return spans.map((id, t) => (id >= 0 ? id : free + t));
}

/** Log-ratio of a whole response: sum over trained actions of logp - old, or their mean. 0 without old log-probs. */
export function responseLogRatio(row: Row, logp: Float64Array, reduction: "sum" | "mean"): number {
  const segments = segmentsOf(row, "sequence");
  const ratios = segmentRatio(logp, row.old ?? logp, row.mask, segments, { mean: reduction === "mean" });
  const first = row.mask.indexOf(1);
  return first < 0 ? 0 : ratios.logRatio[first]!;
}
