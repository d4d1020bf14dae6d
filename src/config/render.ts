import { Document, isMap, isScalar, isSeq, type Node as YamlNode } from "yaml";
import { inactiveKeys } from "./inactive.js";
import type { LoadedConfig } from "./load.js";
import type { Stage } from "./schema.js";

/**
 * The configuration as it runs, in YAML: every value that some part reads, with where it was
 * written as a comment. The text is itself a configuration that loads to the same run.
 */
export function renderResolved({ file, config, staged, origins }: LoadedConfig): string {
  const { run, model, stages } = config;
  const used = stages.map(withoutIdle);
  const { kind: _kind, name: _name, ...only } = used[0]!;
  const shown = staged ? { run, model, stages: used } : { run, model, ...only };
  const document = new Document(withoutUndefined(shown));
  document.commentBefore = ` ${file}, resolved; after each value, where it was written`;
  annotate(document.contents, [], origins);
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

/** Hangs the origin of each value behind it: `default`, `FILE:LINE`, `recipe:NAME:LINE` or `--set`. */
function annotate(
  node: YamlNode | null,
  path: readonly (string | number)[],
  origins: ReadonlyMap<string, string>,
): void {
  if (isMap(node) && node.items.length > 0) {
    for (const pair of node.items) {
      const key = isScalar(pair.key) ? String(pair.key.value) : String(pair.key);
      annotate(pair.value as YamlNode, [...path, key], origins);
    }
  } else if (isSeq(node) && node.items.some(isMap)) {
    for (const [index, item] of node.items.entries()) annotate(item as YamlNode, [...path, index], origins);
  } else if (node !== null) {
    if (isSeq(node) || isMap(node)) node.flow = true;
    node.comment = ` ${origins.get(path.join(".")) ?? "default"}`;
  }
}

/** A stage without the keys that it does not read. */
export function withoutIdle(stage: Stage): Partial<Stage> {
  const kept = structuredClone(stage);
  for (const { path } of inactiveKeys(stage)) {
    const parent = path.slice(0, -1).reduce<unknown>((value, key) => child(value, key), kept);
    if (typeof parent === "object" && parent !== null) delete (parent as Record<string, unknown>)[path.at(-1)!];
  }
  if (Object.keys(kept.models ?? {}).length === 0) delete (kept as Partial<Stage>).models;
  // An item of a list that was deleted leaves a hole.
  kept.shape = kept.shape?.filter(() => true);
  if (kept.rollout !== undefined) kept.rollout.spans = kept.rollout.spans?.filter(() => true);
  return kept;
}

function child(value: unknown, key: string): unknown {
  return (value as Record<string, unknown> | null | undefined)?.[key];
}

function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([, child]) => child !== undefined);
  return Object.fromEntries(kept.map(([key, child]) => [key, withoutUndefined(child)]));
}
