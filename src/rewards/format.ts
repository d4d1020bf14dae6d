import type { RewardSpecOf } from "../config/schema/rewards.js";
import type { SampleScorer } from "./types.js";

/**
 * Form of the whole completion. With `pattern`: 1 where it matches from end to end. With `tags` a, b, ...: 1 where the
 * completion is <a>...</a> <b>...</b> ... with white space alone around and between, and each mark stands once. With
 * `partial`: (marks that stand exactly once and after the previous one in place) / (2 x tags).
 */
export function formatReward(spec: RewardSpecOf<"format">): SampleScorer {
  if (spec.tags === undefined) {
    const whole = new RegExp(`^(?:${spec.pattern})$`, "su");
    return (sample) => (whole.test(sample.completion) ? 1 : 0);
  }
  const marks = spec.tags.flatMap((tag) => [`<${tag}>`, `</${tag}>`]);
  return (sample) => {
    const places = marksInPlace(sample.completion, marks);
    if (spec.partial) return places.filter((place) => place >= 0).length / marks.length;
    return places.every((place) => place >= 0) && onlySpaceOutside(sample.completion, marks, places) ? 1 : 0;
  };
}

/** Index of each mark in the text; -1 where it is absent, repeated or before an earlier mark that is in place. */
function marksInPlace(text: string, marks: readonly string[]): number[] {
  let end = 0;
  return marks.map((mark) => {
    const place = text.indexOf(mark);
    if (place < end || text.indexOf(mark, place + 1) >= 0) return -1;
    end = place + mark.length;
    return place;
  });
}

function onlySpaceOutside(text: string, marks: readonly string[], places: readonly number[]): boolean {
  let end = 0;
  for (let i = 0; i < marks.length; i += 2) {
    if (text.slice(end, places[i]).trim() !== "") return false;
    end = places[i + 1]! + marks[i + 1]!.length;
  }
  return text.slice(end).trim() === "";
}
