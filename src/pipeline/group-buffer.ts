import type { StatefulComponent } from "../algorithms/types.js";
import type { Episode, Group, Task } from "../tree/episode.js";
import type { Segment } from "../tree/segment.js";
import { pack, unpack } from "./pack.js";

interface StoredSegment extends Omit<Segment, "id" | "parent"> {
  parent: number | null;
}

interface StoredGroup extends Omit<Group, "task" | "episodes"> {
  task: number;
  episodes: (Omit<Episode, "leaf"> & { leaf: number })[];
}

interface Stored {
  /** Parents come before their children. */
  segments: StoredSegment[];
  groups: StoredGroup[];
}

/**
 * Groups that wait until there are enough rows for an update; then all of them are trained and it is empty again. No update
 * happens meanwhile, so what waits is still of the current policy.
 */
export class GroupBuffer implements StatefulComponent {
  readonly stateName = "group_buffer";
  #groups: Group[] = [];

  /**
   * @param minRows rows needed; 0 passes every step on
   * @param tasks those that groups may be of, for restoring
   */
  constructor(
    private readonly minRows: number,
    private readonly tasks: readonly Task[],
  ) {}

  /** Rows that wait. */
  get rows(): number {
    return this.#groups.reduce((count, { episodes }) => count + episodes.length, 0);
  }

  /** Adds the groups of a step and returns what is to be trained now: everything, or nothing yet. */
  exchange(groups: readonly Group[]): Group[] {
    this.#groups.push(...groups);
    return this.rows < this.minRows ? [] : this.#groups.splice(0);
  }

  saveState(): unknown {
    const segments: StoredSegment[] = [];
    const places = new Map<Segment, number>();
    const place = (segment: Segment): number => {
      const known = places.get(segment);
      if (known !== undefined) return known;
      const { id: _, parent, ...rest } = segment;
      const above = parent === null ? null : place(parent);
      places.set(segment, segments.push({ ...rest, parent: above }) - 1);
      return segments.length - 1;
    };
    const groups = this.#groups.map(({ task, episodes, ...rest }) => ({
      ...rest,
      task: task.index,
      episodes: episodes.map(({ leaf, ...episode }) => ({ ...episode, leaf: place(leaf) })),
    }));
    return pack({ segments, groups } satisfies Stored);
  }

  loadState(state: unknown): void {
    const stored = unpack(state) as Stored;
    const segments: Segment[] = [];
    // Ids below 0 are never given to segments drawn later.
    stored.segments.forEach(({ parent, ...rest }, i) => {
      segments.push({ ...rest, id: -1 - i, parent: parent === null ? null : segments[parent]! });
    });
    const tasks = new Map(this.tasks.map((task) => [task.index, task]));
    this.#groups = stored.groups.map(({ task, episodes, ...rest }) => ({
      ...rest,
      task: tasks.get(task)!,
      episodes: episodes.map(({ leaf, ...episode }) => ({ ...episode, leaf: segments[leaf]! })),
    }));
  }
}
