import { isSimilar } from "../text-similarity.js";

/** A step as {@link stepGroups} sees it. */
export interface Anchored {
  group: number;
  /** The state the step was taken in; absent = comparable with none. */
  anchor?: string | undefined;
}

/**
 * Number of the step group of each step: steps of one prompt group taken in equal states, numbered by first appearance. With
 * a `similarity`, a step joins the first group of its prompt whose first state is that similar to its own.
 */
export function stepGroups(steps: readonly Anchored[], similarity: number | null): number[] {
  const known = new Map<number, { anchor: string; id: number }[]>();
  const exact = new Map<string, number>();
  let count = 0;
  return steps.map(({ group, anchor }) => {
    if (anchor === undefined) return count++;
    if (similarity === null) {
      const key = `${group} ${anchor}`;
      const id = exact.get(key) ?? count++;
      exact.set(key, id);
      return id;
    }
    const groups = known.get(group) ?? [];
    known.set(group, groups);
    const joined = groups.find((other) => isSimilar(anchor, other.anchor, similarity));
    if (joined !== undefined) return joined.id;
    groups.push({ anchor, id: count });
    return count++;
  });
}
