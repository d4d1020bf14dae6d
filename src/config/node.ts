import { isAlias, isMap, isScalar, isSeq, type LineCounter, type Pair, type Node as YamlNode } from "yaml";

/** Where a value of the configuration was written. */
export interface Origin {
  /** Rank of the layer: recipes and extended files first, then the file, then `--set`; a later layer wins. */
  layer: number;
  /** The file as the user named it, `recipe:NAME`, or `--set`. */
  source: string;
  /** What relative paths written there are relative to. */
  base: string;
  /** 1-based place of the key and of the value; absent for `--set`. */
  key?: Place;
  value?: Place;
}

export interface Place {
  line: number;
  column: number;
}

/** A value with its origin: the form in which layers are merged, before any schema has seen them. */
export interface ConfigNode {
  origin: Origin;
  value: Map<string, ConfigNode> | ConfigNode[] | Scalar;
}

export type Scalar = string | number | boolean | null;

export type Path = readonly PropertyKey[];

/** A YAML value as a {@link ConfigNode}; places come from `lines`, or are absent for `--set`. */
export function fromYaml(
  node: YamlNode | null,
  origin: Omit<Origin, "key" | "value">,
  lines: LineCounter | null,
  resolve: (alias: YamlNode) => YamlNode | undefined,
  key?: Place,
): ConfigNode {
  const at = (n: unknown): Place | undefined => {
    const offset = (n as YamlNode | null)?.range?.[0];
    if (lines === null || offset === undefined) return undefined;
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const place = at(node);
  const here: Origin = { ...origin, ...(key && { key }), ...(place && { value: place }) };
  const target = isAlias(node) ? resolve(node) : node;
  const child = (n: unknown, k?: Place) => fromYaml(n as YamlNode | null, origin, lines, resolve, k);
  if (isMap(target)) {
    const entries = (target.items as Pair[]).map((pair): [string, ConfigNode] => [
      String(isScalar(pair.key) ? pair.key.value : pair.key),
      child(pair.value, at(pair.key)),
    ]);
    return { origin: here, value: new Map(entries) };
  }
  if (isSeq(target)) return { origin: here, value: target.items.map((item) => child(item, at(item))) };
  return { origin: here, value: (isScalar(target) ? (target.value as Scalar) : null) ?? null };
}

/** Keys of one mapping that exclude each other: writing one in a later layer drops the others of earlier layers. */
const alternatives = [
  ["path", "builtin"],
  ["path", "architecture"],
  ["template", "column"],
  ["path", "alphabet"],
  ["corpus", "url"],
];

/**
 * `over` on top of `under`: mappings merge key by key, everything else replaces. A mapping with another `kind` replaces
 * as a whole, for the options of one kind mean nothing to another.
 */
export function merge(under: ConfigNode | undefined, over: ConfigNode): ConfigNode {
  if (Array.isArray(under?.value) && over.value instanceof Map) return mergeItems(under.value, over.value) ?? over;
  if (!(under?.value instanceof Map) || !(over.value instanceof Map)) return over;
  const kind = over.value.get("kind")?.value;
  if (kind !== undefined && under.value.has("kind") && kind !== under.value.get("kind")?.value) return over;
  const merged = new Map(under.value);
  for (const keys of alternatives) {
    const chosen = keys.find((key) => (over.value as Map<string, ConfigNode>).has(key));
    for (const key of keys) if (chosen !== undefined && key !== chosen) merged.delete(key);
  }
  for (const [key, child] of over.value) merged.set(key, merge(under.value.get(key), child));
  return { origin: over.origin.value === undefined ? under.origin : over.origin, value: merged };
}

/** A list with the items that `over` names by index replaced or appended, as `--set rewards.0.weight=2` does. */
function mergeItems(under: ConfigNode[], over: Map<string, ConfigNode>): ConfigNode | undefined {
  const items = [...under];
  for (const [key, child] of over) {
    const index = Number(key);
    if (!/^\d+$/.test(key) || index > items.length) return undefined;
    items[index] = merge(items[index], child);
  }
  return { origin: [...over.values()][0]!.origin, value: items };
}

/** Plain values for the schema. Mappings have no prototype, so that no key is special. */
export function toPlain(node: ConfigNode): unknown {
  if (node.value instanceof Map) {
    const plain: Record<string, unknown> = Object.create(null);
    for (const [key, child] of node.value) plain[key] = toPlain(child);
    return plain;
  }
  return Array.isArray(node.value) ? node.value.map(toPlain) : node.value;
}

/** The node at `path`, or undefined where nothing was written. */
export function nodeAt(root: ConfigNode, path: Path): ConfigNode | undefined {
  let node: ConfigNode | undefined = root;
  for (const key of path) {
    const value: ConfigNode["value"] | undefined = node?.value;
    if (value instanceof Map) node = value.get(String(key));
    else if (Array.isArray(value)) node = value[Number(key)];
    else return undefined;
  }
  return node;
}

/** Every node below `root` that is no mapping, with its path; lists are leaves unless they hold mappings. */
export function* leaves(root: ConfigNode, path: Path = []): Generator<{ path: Path; node: ConfigNode }> {
  if (root.value instanceof Map) {
    for (const [key, child] of root.value) yield* leaves(child, [...path, key]);
  } else if (Array.isArray(root.value) && root.value.some((item) => item.value instanceof Map)) {
    for (const [index, child] of root.value.entries()) yield* leaves(child, [...path, index]);
  } else {
    yield { path, node: root };
  }
}
