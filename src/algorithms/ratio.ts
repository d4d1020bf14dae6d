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
  const spans = row.spans[level.span];
  if (spans === undefined) throw new Error(`no spans named ${level.span} in this row`);
  const free = spans.reduce((max, id) => Math.max(max, id), -1) + 1;
  return spans.map((id, t) => (id >= 0 ? id : free + t));
}
