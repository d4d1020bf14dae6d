import type { RewardSpecOf } from "../config/schema/rewards.js";
import { compileAnswer } from "./answer.js";
import type { SampleScorer } from "./types.js";

/** Start and end of a stretch of time, in seconds. */
export type Interval = readonly [number, number];

/**
 * |P intersect Q| / |P union Q| of two sets of time intervals (DeepVideo-R1, arXiv 2506.07464, section 4.1). Intervals that end before they
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

/**
 * {@link temporalIou} of the stretches that completion and right answer name; 0 for a completion that names none, null where the
 * data row has none.
 */
export function temporalIouReward(spec: RewardSpecOf<"temporal_iou">): SampleScorer {
  const wanted = compileAnswer(spec.name, spec.answer);
  return (sample) => {
    const right = intervalsIn(wanted(sample) ?? "");
    if (right.length === 0) return null;
    return temporalIou(
      intervalsIn(spec.tag === null ? sample.completion : lastTagged(sample.completion, spec.tag)),
      right,
    );
  };
}

/** Pairs of times in a text, as `3 to 7.5 s`, `0:03-1:07`, `[3, 7.5]`: seconds, or (hours and) minutes before a colon. */
export function intervalsIn(text: string): Interval[] {
  const time = "((?:\\d+:){0,2}\\d+(?:\\.\\d+)?)";
  const pair = new RegExp(`${time}\\s*(?:s|sec|seconds?)?\\s*(?:-|–|,|to|and|until)\\s*${time}`, "g");
  return [...text.matchAll(pair)].map(([, start, end]) => [seconds(start!), seconds(end!)]);
}

function seconds(time: string): number {
  return time.split(":").reduce((sum, part) => 60 * sum + Number(part), 0);
}

/** Text of the last `<tag>` block; "" where there is none. */
function lastTagged(text: string, tag: string): string {
  const end = text.lastIndexOf(`</${tag}>`);
  const start = end < 0 ? -1 : text.lastIndexOf(`<${tag}>`, end);
  return start < 0 ? "" : text.slice(start + tag.length + 2, end);
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
