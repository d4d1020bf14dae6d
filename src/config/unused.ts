import { isDeepStrictEqual } from "node:util";
import { type Complaint, complain } from "./complaint.js";
import { inactiveKeys } from "./inactive.js";
import { type ConfigNode, leaves, nodeAt, type Path, toPlain } from "./node.js";
import type { Readable } from "./rules.js";
import { sectionsSchema } from "./schema.js";
import type { Draft } from "./stages.js";

/**
 * Keys that were written but that nothing reads. A key is complained of when no stage reads it; not when a later layer
 * (an extending file, `--set`) is what made it idle, and not when it says what would hold without it.
 */
export class Unused {
  private readonly seen = new Map<ConfigNode, { used: boolean; complaint?: Complaint }>();

  /** Notes which written values one stage reads. */
  look(draft: Draft, sections: Readable): void {
    const idle = new Map<ConfigNode, Complaint>();
    for (const { path, because, message } of inactiveKeys(sections)) {
      const node = nodeAt(draft.tree, path);
      if (node === undefined) continue;
      const decided = Math.max(-1, ...because.map((key) => nodeAt(draft.tree, key)?.origin.layer ?? -1));
      const complaint = complain({ path, key: true, message }, draft);
      for (const leaf of leaves(node, path)) {
        if (leaf.node.origin.layer >= decided && !isDefault(draft.tree, leaf.path)) idle.set(leaf.node, complaint);
      }
    }
    for (const { node } of leaves(draft.tree)) {
      const complaint = idle.get(node);
      const before = this.seen.get(node);
      this.seen.set(node, { used: before?.used === true || complaint === undefined, ...(complaint && { complaint }) });
    }
  }

  /** Notes values at the top of the file that every stage overrides. */
  lookBelow(drafts: readonly Draft[], top: ConfigNode): void {
    for (const { path, node } of leaves(top)) {
      if (this.seen.has(node)) continue;
      const by = Math.min(...drafts.map(({ tree }) => layerAt(tree, path)));
      const message = `has no effect: every stage overrides it; write it there, as stages.0.${path.map(String).join(".")}`;
      if (node.origin.layer >= by) {
        this.seen.set(node, { used: false, complaint: complain({ path, key: true, message }, { tree: top }) });
      }
    }
  }

  complaints(): Complaint[] {
    return [...this.seen.values()].flatMap(({ used, complaint }) =>
      used || complaint === undefined ? [] : [complaint],
    );
  }
}

/** The layer of the value at `path`, or of what stands in its place. */
function layerAt(tree: ConfigNode, path: Path): number {
  for (let depth = path.length; ; depth--) {
    const node = nodeAt(tree, path.slice(0, depth));
    if (node !== undefined) return node.origin.layer;
  }
}

/** Whether the value at `path` is the one that would hold if it had not been written. */
function isDefault(tree: ConfigNode, path: Path): boolean {
  const schema = sectionsSchema.shape[path[0] as keyof typeof sectionsSchema.shape];
  const written = toPlain(nodeAt(tree, path.slice(0, 1))!);
  const without = structuredClone(written);
  const parent = path.slice(1, -1).reduce((value, key) => (value as Record<PropertyKey, unknown>)[key], without);
  if (path.length > 1) delete (parent as Record<PropertyKey, unknown>)[path.at(-1)!];
  const [a, b] = [schema.safeParse(written), schema.safeParse(path.length > 1 ? without : undefined)];
  return a.success && b.success && isDeepStrictEqual(a.data, b.data);
}
