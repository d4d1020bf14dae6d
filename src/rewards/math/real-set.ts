import { real } from "./complex.js";
import { evaluate, isMatrix, NoValue } from "./evaluate.js";
import { children, type Expression, type ListExpression, type RelationSign, unknowns } from "./expression.js";

/** A set of real numbers whose membership changes only at `breakpoints`. */
export interface RealSet {
  contains(x: number): boolean;
  breakpoints: number[];
}

/** Numbers closer than this, relative to their size, are one. */
const closeness = 1e-9;

/** Where roots of a condition are looked for: dense near 0, reaching far. */
const scan = Array.from({ length: 801 }, (_, i) => Math.sinh((i - 400) / 40) / 10);

/**
 * The real numbers an answer describes: an interval, a finite set, a union, intersection or difference of such, or an
 * inequality between an expression of one unknown and numbers. Roots of an inequality are found where its sides cross.
 *
 * @returns null where it describes no such set
 */
export function toRealSet(expression: Expression): RealSet | null {
  try {
    return convert(expression);
  } catch (error) {
    if (error instanceof NoValue) return null;
    throw error;
  }
}

/** Whether two sets hold the same numbers: tested at every breakpoint, between them and beyond. */
export function sameSet(a: RealSet, b: RealSet): boolean {
  const points = [...a.breakpoints, ...b.breakpoints].filter(Number.isFinite).sort((x, y) => x - y);
  const tests = points.length === 0 ? [0] : [points[0]! - 1, points.at(-1)! + 1];
  points.forEach((point, i) => {
    tests.push(point);
    const next = points[i + 1];
    if (next !== undefined && !close(point, next)) tests.push((point + next) / 2);
  });
  return tests.every((x) => a.contains(x) === b.contains(x));
}

function convert(expression: Expression): RealSet | null {
  if (expression.kind === "list") return convertList(expression);
  if (expression.kind === "symbol") {
    if (expression.name === "mathbb R") return { contains: () => true, breakpoints: [] };
    return expression.name === "emptyset" ? { contains: () => false, breakpoints: [] } : null;
  }
  if (expression.kind === "relation") return inequality(expression.signs, expression.parts);
  if (expression.kind !== "apply") return null;
  const combine = combinations[expression.operator];
  if (combine === undefined) return null;
  const [a, b] = [convert(expression.args[0]!), convert(expression.args[1]!)];
  if (a === null || b === null) return null;
  return {
    contains: (x) => combine(a.contains(x), b.contains(x)),
    breakpoints: [...a.breakpoints, ...b.breakpoints],
  };
}

function convertList(list: ListExpression): RealSet | null {
  if (list.open === "{") return finite(list.items);
  if (list.either !== true) return interval(list);
  const sets = list.items.map(convert);
  if (sets.some((set) => set === null) || unknownsDiffer(list.items)) return null;
  return {
    contains: (x) => sets.some((set) => set!.contains(x)),
    breakpoints: sets.flatMap((set) => set!.breakpoints),
  };
}

function unknownsDiffer(items: readonly Expression[]): boolean {
  return new Set(items.map((item) => [...unknowns(item)].sort().join())).size > 1;
}

const combinations: Record<string, (a: boolean, b: boolean) => boolean> = {
  cup: (a, b) => a || b,
  cap: (a, b) => a && b,
  setminus: (a, b) => a && !b,
};

function finite(items: readonly Expression[]): RealSet {
  const breakpoints = items.map(constant);
  return { contains: (x) => breakpoints.some((point) => close(point, x)), breakpoints };
}

function interval({ open, close: end, items }: ListExpression): RealSet | null {
  if (items.length !== 2 || open === "" || open === "{") return null;
  const [low, high] = [constant(items[0]!), constant(items[1]!)];
  if (low > high) return null;
  return {
    contains: (x) => {
      if (close(x, low)) return open === "[";
      if (close(x, high)) return end === "]";
      return low < x && x < high;
    },
    breakpoints: [low, high],
  };
}

/** The values of the unknown for which a chain of relations holds. Exactly one part may hold the unknown. */
function inequality(signs: readonly RelationSign[], parts: readonly Expression[]): RealSet | null {
  if (signs.length === 1 && signs[0] === "in") return convert(parts[1]!);
  if (signs.some((sign) => sign === "in" || sign === "~")) return null;
  const free = parts.flatMap((part, i) => (unknowns(part).size > 0 ? [i] : []));
  if (free.length !== 1) return null;
  const place = free[0]!;
  const term = parts[place]!;
  const variable = variableOf(term);
  if (variable === null) return null;
  const at = (x: number) => (variable.whole ? x : valueAt(term, variable.name, x));
  const bounds = parts.map((part, i) => (i === place ? 0 : constant(part)));
  const holds = (x: number) => {
    const value = at(x);
    return signs.every((sign, i) => {
      const [left, right] = [i === place ? value : bounds[i]!, i + 1 === place ? value : bounds[i + 1]!];
      return compare[sign as keyof typeof compare](left, right);
    });
  };
  const constants = bounds.filter((_, i) => i !== place && Math.abs(i - place) === 1);
  const breakpoints = variable.whole ? constants : constants.flatMap((bound) => roots((x) => at(x) - bound));
  return { contains: holds, breakpoints };
}

const compare: Record<Exclude<RelationSign, "in" | "~">, (a: number, b: number) => boolean> = {
  "=": close,
  "!=": (a, b) => !close(a, b),
  "<": (a, b) => a < b && !close(a, b),
  ">": (a, b) => a > b && !close(a, b),
  "<=": (a, b) => a < b || close(a, b),
  ">=": (a, b) => a > b || close(a, b),
};

/** The unknown of a term: the term itself where it is a symbol or an unknown function's value. */
function variableOf(term: Expression): { whole: boolean; name: string } | null {
  if (term.kind === "symbol" || (term.kind === "apply" && term.operator.startsWith("call "))) {
    return { whole: true, name: "" };
  }
  const names = [...unknowns(term)];
  return names.length === 1 && !callsUnknown(term) ? { whole: false, name: names[0]! } : null;
}

function callsUnknown(term: Expression): boolean {
  return (term.kind === "apply" && term.operator.startsWith("call ")) || children(term).some(callsUnknown);
}

function roots(f: (x: number) => number): number[] {
  const found: number[] = [];
  for (let i = 0; i + 1 < scan.length; i++) {
    let [low, high] = [scan[i]!, scan[i + 1]!];
    const [start, end] = [f(low), f(high)];
    if (start === 0) found.push(low);
    if (!(start * end < 0)) continue;
    for (let step = 0; step < 100; step++) {
      const middle = (low + high) / 2;
      if (f(middle) * start > 0) low = middle;
      else high = middle;
    }
    found.push(high);
  }
  return found;
}

function valueAt(term: Expression, name: string, x: number): number {
  const value = evaluate(term, (symbol) => real(symbol === name ? x : Number.NaN));
  return isMatrix(value) || Math.abs(value.im) > closeness ? Number.NaN : value.re;
}

function constant(expression: Expression): number {
  if (unknowns(expression).size > 0) throw new NoValue();
  const value = evaluate(expression, () => real(Number.NaN));
  if (isMatrix(value) || Math.abs(value.im) > closeness || Number.isNaN(value.re)) throw new NoValue();
  return value.re;
}

function close(a: number, b: number): boolean {
  if (!Number.isFinite(a) || !Number.isFinite(b)) return a === b;
  return Math.abs(a - b) <= closeness * Math.max(1, Math.abs(a), Math.abs(b));
}
