/** Start and end of a stretch of time, in seconds. */
export type Interval = readonly [number, number];

/**
 * |P intersect Q| / |P union Q| of two sets of time intervals (R1-VL style grounding rewards). Intervals that end before they
 * start are left out; 0 when the union is empty.
 */
export function temporalIou(predicted: readonly Interval[], wanted: readonly Interval[]): number {
  const p = merge(predicted);
  const q = merge(wanted);
  let intersection = 0;
  for (const [a, b] of p) for (const [c, d] of q) intersection += Math.max(0, Math.min(b, d) - Math.max(a, c));
  const union = total(p) + total(q) - intersection;
  return union > 0 ? intersection / union : 0;
}

/** The same times as disjoint intervals in order. */
function merge(intervals: readonly Interval[]): [number, number][] {
  const merged: [number, number][] = [];
  for (const [start, end] of intervals.filter(([a, b]) => b > a).sort((x, y) => x[0] - y[0])) {
    const last = merged.at(-1);
    if (last !== undefined && start <= last[1]) last[1] = Math.max(last[1], end);
    else merged.push([start, end]);
  }
  return merged;
}

function total(intervals: readonly Interval[]): number {
  return intervals.reduce((sum, [start, end]) => sum + end - start, 0);
}
