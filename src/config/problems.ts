import type { $ZodIssue, $ZodType } from "zod/v4/core";
import { nearest, unknownKey } from "./nearest.js";
import type { Path } from "./node.js";

/** One mistake: the key it is about, and what is wrong with the way out. */
export interface Problem {
  path: Path;
  message: string;
  /** The mistake is the key itself rather than its value. */
  key?: boolean;
  /** The mistake may come from others in the same mapping: a check over all of it, or a key that is missing. */
  whole?: boolean;
}

/**
 * Every mistake that a schema finds, also those that show only once others are mended: what is wrong is taken out and the
 * rest is read again.
 * @param plain is edited: wrong values and unknown keys are removed from it
 */
export function findProblems(schema: $ZodType & SafeParse, plain: unknown): Problem[] {
  const found: Problem[] = [];
  for (;;) {
    const result = schema.safeParse(plain);
    if (result.success) return found;
    const fresh = result.error.issues
      .flatMap((issue) => describe(schema, plain, issue))
      .filter((problem, _, all) => !all.some((other) => misspells(other, problem)))
      .filter((problem) => !found.some((known) => covers(known.path, problem.path) || follows(known, problem)));
    if (fresh.length === 0) return found;
    found.push(...fresh);
    for (const { path } of fresh) remove(plain, path);
  }
}

interface SafeParse {
  safeParse(value: unknown): { success: true } | { success: false; error: { issues: $ZodIssue[] } };
}

/** A mistake at `known` explains one at `path`: the same key, one below it, or its parent found incomplete without it. */
export function covers(known: Path, path: Path): boolean {
  return known.length <= path.length && known.every((key, i) => key === path[i]);
}

/** A mapping may only look wrong as a whole because of what was taken out of it. */
function follows(known: Problem, problem: Problem): boolean {
  return problem.whole === true && covers(problem.path.slice(0, -1), known.path);
}

/** Whether `other` is the key that `problem` misses, written wrongly. */
export function misspells(other: Problem, problem: Problem): boolean {
  return (
    problem.whole === true &&
    other.key === true &&
    covers(problem.path.slice(0, -1), other.path) &&
    other.message.endsWith(`did you mean "${String(problem.path.at(-1))}"?`)
  );
}

function remove(root: unknown, path: Path): void {
  const parent = path.slice(0, -1).reduce<unknown>(child, root);
  if (typeof parent === "object" && parent !== null && !Array.isArray(parent)) {
    delete (parent as Record<PropertyKey, unknown>)[path.at(-1)!];
  }
}

function child(value: unknown, key: PropertyKey): unknown {
  return (value as Record<PropertyKey, unknown> | null | undefined)?.[key];
}

/** Says a zod issue in the words of this program. */
function describe(schema: $ZodType, root: unknown, issue: $ZodIssue, prefix: Path = []): Problem[] {
  const path = [...prefix, ...issue.path];
  const value = path.reduce<unknown>(child, root);
  const one = (message: string): Problem[] => [{ path, message, ...(value === undefined && { whole: true }) }];
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => ({
        path: [...path, key],
        key: true,
        message: unknownKey(schema, path, key, root),
      }));
    case "invalid_type":
      return one(
        value === undefined ? `missing; expected ${typeName(issue.expected)}` : expected(issue.expected, value),
      );
    case "invalid_value":
      return one(value === undefined ? `missing; ${oneOf(issue.values)}` : option(issue.values, value));
    case "invalid_union":
      if ("discriminator" in issue && issue.discriminator !== undefined) {
        const options = ((issue as { options?: readonly unknown[] }).options ?? []).filter((o) => o !== undefined);
        return one(value === undefined ? `missing; ${oneOf(options)}` : option(options, value));
      }
      return union(schema, root, issue.errors, path, value);
    case "too_small":
    case "too_big":
      return one(bound(issue, value));
    case "custom":
      return [{ path, message: issue.message, whole: true }];
    default:
      return one(issue.message);
  }
}

/** The member of a union that was meant: the one with the fewest mistakes below its top, if there is one. */
function union(schema: $ZodType, root: unknown, errors: $ZodIssue[][], path: Path, value: unknown): Problem[] {
  const near = errors.filter((issues) => !issues.some((i) => i.path.length === 0 && i.code === "invalid_type"));
  if (near.length > 0) {
    const best = near.reduce((a, b) => (b.length < a.length ? b : a));
    return best.flatMap((issue) => describe(schema, root, issue, path));
  }
  const types = errors.map(([issue]) => typeName(issue?.code === "invalid_type" ? issue.expected : "?"));
  return [{ path, message: `expected ${[...new Set(types)].join(" or ")}, got ${show(value)}` }];
}

const typeNames: Record<string, string> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  object: "a mapping",
  record: "a mapping",
  array: "a list",
  null: "null",
};

function typeName(type: string): string {
  return typeNames[type] ?? type;
}

function expected(type: string, value: unknown): string {
  return `expected ${typeName(type)}, got ${show(value)}`;
}

function oneOf(values: readonly unknown[]): string {
  const shown = values.map((v) => JSON.stringify(v));
  return shown.length === 1 ? `expected ${shown[0]}` : `expected one of ${shown.join("|")}`;
}

function option(values: readonly unknown[], value: unknown): string {
  const like = typeof value === "string" ? nearest(value, values.map(String)) : undefined;
  return `Invalid option: ${oneOf(values)}${like === undefined ? "" : `; did you mean "${like}"?`}`;
}

function bound(issue: Extract<$ZodIssue, { code: "too_small" | "too_big" }>, value: unknown): string {
  const small = issue.code === "too_small";
  const limit = Number(small ? issue.minimum : issue.maximum);
  if (issue.origin === "string" || issue.origin === "array") {
    const what = issue.origin === "string" ? "characters" : "items";
    return small && limit === 1 ? "must not be empty" : `must have ${small ? "at least" : "at most"} ${limit} ${what}`;
  }
  const relation = small ? (issue.inclusive ? "at least" : "above") : issue.inclusive ? "at most" : "below";
  return `must be ${relation} ${limit}, got ${show(value)}`;
}

/** A value as the user wrote it, short enough for a message. */
function show(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "a mapping";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
