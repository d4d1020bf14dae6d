import type { $ZodType } from "zod/v4/core";
import type { Path } from "./node.js";

/** The parts of a zod definition that matter for finding one's way in a schema. */
interface Def {
  type: string;
  innerType?: $ZodType;
  in?: $ZodType;
  shape?: Record<string, $ZodType>;
  catchall?: $ZodType;
  element?: $ZodType;
  valueType?: $ZodType;
  options?: readonly $ZodType[];
  discriminator?: string;
}

function definition(schema: $ZodType): Def {
  return schema._zod.def as unknown as Def;
}

/** The schema itself and, one after the other, what its wrappers (default, optional, nullable, ...) hold. */
export function layersOf(schema: $ZodType): $ZodType[] {
  const layers = [schema];
  for (let s = schema; ; layers.push(s)) {
    const def = definition(s);
    const inner = def.innerType ?? (def.type === "pipe" ? def.in : undefined);
    if (inner === undefined) return layers;
    s = inner;
  }
}

/** The alternatives of a schema without wrappers: the members of a union, else the schema itself. */
export function branches(schema: $ZodType): $ZodType[] {
  const bare = layersOf(schema).at(-1)!;
  const options = definition(bare).options;
  return options === undefined ? [bare] : options.flatMap(branches);
}

/** Branches that fit `value`: the member of a discriminated union that it names, or all. */
export function branchesFor(schema: $ZodType, value: unknown): $ZodType[] {
  const bare = layersOf(schema).at(-1)!;
  const { options, discriminator } = definition(bare);
  if (options === undefined) return [bare];
  if (discriminator !== undefined) {
    const tag = (value as Record<string, unknown> | null | undefined)?.[discriminator];
    const fitting = options.filter((option) => {
      const field = definition(layersOf(option).at(-1)!).shape?.[discriminator];
      return field?._zod.values?.has(tag as string) ?? false;
    });
    if (fitting.length > 0) return fitting.flatMap((option) => branchesFor(option, value));
  }
  return options.flatMap((option) => branchesFor(option, value));
}

/** The union of a schema whose members a key tells apart, such as `kind`; undefined where it is none. */
function taggedUnion(
  schema: $ZodType,
): { tag: string; members: { name: string; fields: Record<string, $ZodType> }[] } | undefined {
  const { options, discriminator } = definition(layersOf(schema).at(-1)!);
  if (options === undefined || discriminator === undefined) return undefined;
  const members = options.map((option) => {
    const fields = definition(layersOf(option).at(-1)!).shape ?? {};
    const names = [...(fields[discriminator]?._zod.values ?? [])].filter((name) => name !== undefined);
    return { name: String(names[0]), fields };
  });
  return { tag: discriminator, members };
}

/**
 * Where a mapping's kind does not know `key` and other kinds do: its own kind and theirs. The kind of a mapping that names
 * none is the union's default.
 */
export function otherKinds(
  schemas: readonly $ZodType[],
  key: string,
  value: unknown,
): { tag: string; own: string; others: string[] } | undefined {
  for (const union of schemas.map(taggedUnion)) {
    const others = (union?.members ?? []).filter(({ fields }) => Object.hasOwn(fields, key)).map(({ name }) => name);
    if (union === undefined || others.length === 0) continue;
    const fallback = union.members.find(({ fields }) => fields[union.tag]?._zod.values?.has(undefined));
    const own = (value as Record<string, unknown> | null | undefined)?.[union.tag] ?? fallback?.name;
    if (own !== undefined && !others.includes(String(own))) return { tag: union.tag, own: String(own), others };
  }
  return undefined;
}

/** The schemas that a key of a branch may have: a field, a catch-all, a record's or a list's element. */
function children(branch: $ZodType, key: PropertyKey): $ZodType[] {
  const def = definition(branch);
  if (def.type === "array") return /^\d+$/.test(String(key)) ? [def.element!] : [];
  if (def.type === "record") return [def.valueType!];
  if (def.shape === undefined) return [];
  const field = Object.hasOwn(def.shape, String(key)) ? def.shape[String(key)] : undefined;
  if (field !== undefined) return [field];
  return def.catchall !== undefined && definition(def.catchall).type !== "never" ? [def.catchall] : [];
}

/** Named fields of a schema, of every branch that fits `value`. */
export function fieldsOf(schema: $ZodType, value?: unknown): Map<string, $ZodType> {
  const fields = new Map<string, $ZodType>();
  const fitting = value === undefined ? branches(schema) : branchesFor(schema, value);
  for (const branch of fitting) {
    for (const [key, field] of Object.entries(definition(branch).shape ?? {}))
      if (!fields.has(key)) fields.set(key, field);
  }
  return fields;
}

/** Every schema that a value at `path` may have; empty when the path leads nowhere. */
export function schemasAt(root: $ZodType, path: Path, value?: unknown): $ZodType[] {
  let found: $ZodType[] = [root];
  let current = value;
  for (const key of path) {
    found = found.flatMap((schema) =>
      (current === undefined ? branches(schema) : branchesFor(schema, current)).flatMap((branch) =>
        children(branch, key),
      ),
    );
    current = (current as Record<PropertyKey, unknown> | null | undefined)?.[key];
  }
  return [...new Set(found)];
}

/** Every dotted path of named fields below `root`: `model.dtype`, `objective.kl.coefficient`, ... */
export function fieldPaths(root: $ZodType, prefix: string[] = []): string[][] {
  const paths: string[][] = [];
  for (const [key, field] of fieldsOf(root)) {
    paths.push([...prefix, key], ...fieldPaths(field, [...prefix, key]));
  }
  return paths;
}
