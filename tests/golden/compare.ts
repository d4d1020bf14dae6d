import { Undetermined } from "./adapter.js";

/** Where and how a result first differs from what was wanted. */
export interface Difference {
  path: string;
  got: unknown;
  want: unknown;
}

/** How numbers are compared. */
export interface Rule {
  tolerance: number;
  /** Significant digits to which the wanted numbers were rounded when they were written down. */
  digits: number;
}

/** Metrics of the reference implementations were reduced in float32. */
const METRIC_TOLERANCE = 1e-6;

/**
 * First value of `want` that `got` misses: numbers agree when |got - want| <= tolerance max(1, |want|), or when they are the
 * same number to the digits written down; null or 'NaN' = NaN; 'inf' and '-inf' are infinities; everything else is equal or not. What
 * `got` has beyond `want` is not looked at.
 *
 * @param notes receives a line per value that the inputs do not determine
 */
export function firstDifference(
  got: unknown,
  want: unknown,
  rule: Rule,
  notes: string[] = [],
  path = "",
): Difference | null {
  if (got instanceof Undetermined) {
    notes.push(`${path}: ${got.reason}`);
    return null;
  }
  const expected =
    want === null || want === "NaN" ? Number.NaN : want === "inf" ? Infinity : want === "-inf" ? -Infinity : want;
  if (typeof expected === "number") {
    const value = got === null ? Number.NaN : got;
    const close = typeof value === "number" && agrees(value, expected, rule);
    return close ? null : { path, got, want };
  }
  if (typeof expected !== "object") return got === expected ? null : { path, got, want };
  if (typeof got !== "object" || got === null) return { path, got, want };
  if (Array.isArray(expected)) {
    const values = Array.from(got as ArrayLike<unknown>);
    if (values.length !== expected.length) {
      return { path: `${path}.length`, got: values.length, want: expected.length };
    }
    return first(expected.map((item, i) => () => firstDifference(values[i], item, rule, notes, `${path}[${i}]`)));
  }
  return first(
    Object.entries(expected as object)
      .filter(([key]) => key !== "note")
      .map(([key, item]) => () => {
        const inner = key === "metrics" ? { ...rule, tolerance: Math.max(rule.tolerance, METRIC_TOLERANCE) } : rule;
        return firstDifference(
          (got as Record<string, unknown>)[key],
          item,
          inner,
          notes,
          path === "" ? key : `${path}.${key}`,
        );
      }),
  );
}

function agrees(got: number, want: number, { tolerance, digits }: Rule): boolean {
  if (Number.isNaN(want)) return Number.isNaN(got);
  if (!Number.isFinite(want)) return got === want;
  if (Math.abs(got - want) <= tolerance * Math.max(1, Math.abs(want))) return true;
  return digits < 15 && Number.isFinite(got) && Number(got.toPrecision(digits)) === want;
}

function first(checks: (() => Difference | null)[]): Difference | null {
  for (const check of checks) {
    const difference = check();
    if (difference !== null) return difference;
  }
  return null;
}

/** Most significant digits of any number in `value`: the precision a file was written with. */
export function writtenDigits(value: unknown): number {
  if (typeof value === "number") return value.toExponential().replace(/e.*|[-.]/g, "").length;
  if (typeof value !== "object" || value === null) return 0;
  return Object.values(value).reduce<number>((most, item) => Math.max(most, writtenDigits(item)), 0);
}
