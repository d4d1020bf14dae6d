import { absolute, type Complex, real } from "./complex.js";
import { evaluate, isMatrix, NoValue, type Value } from "./evaluate.js";
import { exactValue } from "./exact.js";
import {
  apply,
  type Expression,
  type ListExpression as List,
  type RelationSign,
  some,
  unknowns,
} from "./expression.js";
import { sameSet, toRealSet } from "./real-set.js";

export interface CompareOptions {
  /** Decimals that count where one side is written with a decimal point. */
  precision: number;
  /** Whether an inequality may answer for a set; a set answers for an inequality in any case. */
  allowSetRelation: boolean;
  /** Off, unknowns are told apart by the order of their names only: f(x) then equals f(y). */
  strict: boolean;
}

type Relation = Extract<Expression, { kind: "relation" }>;

/** Points at which terms with unknowns are compared. */
const pointCount = 6;

/**
 * Whether two answers are the same mathematics. Numbers are compared exactly where both are exact, else to `precision`
 * decimals; terms by their values at points drawn once for all (equal rational functions differ at such a point with
 * probability 0); sets without order, tuples with it, intervals by ends or as sets of reals; equations and inequalities
 * up to a constant factor. `x = 3` answers for 3, and 3 for `x = 3`; 28 % is 0.28, and 28 where no per cent is asked.
 */
export function sameAnswer(gold: Expression, answer: Expression, options: CompareOptions): boolean {
  const [a, b] = [prepare(gold), prepare(answer)];
  if (options.strict) return same(a, b, options);
  return same(renameUnknowns(a), renameUnknowns(b), options);
}

/** Splits plus-minus signs, cuts approximations off chains and takes the set out of `x in S`. */
function prepare(expression: Expression): Expression {
  const items = splitSigns(expression).map(cutChain);
  if (items.length > 1) return { kind: "list", open: "", close: "", items };
  const [only] = items as [Expression];
  if (only.kind === "list" && only.open === "") {
    return { ...only, items: only.items.flatMap((item) => flatten(prepare(item))) };
  }
  return only;
}

function flatten(expression: Expression): Expression[] {
  return expression.kind === "list" && expression.open === "" ? expression.items : [expression];
}

/** The two readings of an expression with plus-minus signs. */
function splitSigns(expression: Expression): Expression[] {
  if (expression.kind === "list" && expression.open === "") return [expression];
  if (!some(expression, (part) => part.kind === "apply" && (part.operator === "+-" || part.operator === "-+"))) {
    return [expression];
  }
  const choose = (part: Expression, upper: boolean): Expression => {
    const operator = part.kind !== "apply" ? "" : part.operator;
    const mapped = mapChildren(part, (child) => choose(child, upper));
    if (mapped.kind !== "apply" || (operator !== "+-" && operator !== "-+")) return mapped;
    return { ...mapped, operator: (operator === "+-") === upper ? "+" : "-" };
  };
  return [choose(expression, true), choose(expression, false)];
}

function mapChildren(expression: Expression, map: (child: Expression) => Expression): Expression {
  switch (expression.kind) {
    case "apply":
      return { ...expression, args: expression.args.map(map) };
    case "list":
      return { ...expression, items: expression.items.map(map) };
    case "matrix":
      return { ...expression, rows: expression.rows.map((row) => row.map(map)) };
    case "relation":
      return { ...expression, parts: expression.parts.map(map) };
    default:
      return expression;
  }
}

/** `a = b = c` is a = c; `a = b ~ c` is a = b, and `a ~ b` alone is read as a = b. */
function cutChain(expression: Expression): Expression {
  if (expression.kind !== "relation") return expression;
  const { signs, parts } = expression;
  const set = signs.indexOf("in");
  if (set >= 0) return set === signs.length - 1 ? parts.at(-1)! : expression;
  if (!signs.every((sign) => sign === "=" || sign === "~")) return expression;
  const approximate = signs.indexOf("~");
  const last = approximate > 0 ? parts[approximate]! : parts.at(-1)!;
  return { kind: "relation", signs: ["="], parts: [parts[0]!, last] };
}

function renameUnknowns(expression: Expression): Expression {
  const order = [...unknowns(expression)].sort();
  const rename = (part: Expression): Expression => {
    const mapped = mapChildren(part, rename);
    if (mapped.kind === "symbol" && order.includes(mapped.name))
      return { ...mapped, name: `#${order.indexOf(mapped.name)}` };
    return mapped;
  };
  return rename(expression);
}

function same(gold: Expression, answer: Expression, options: CompareOptions): boolean {
  if (isEquation(answer) && !isEquation(gold) && givesValue(answer)) return same(gold, answer.parts[1]!, options);
  if (isEquation(gold) && !isEquation(answer) && givesValue(gold)) return same(gold.parts[1]!, answer, options);
  if (gold.kind === "text" || answer.kind === "text") return false;
  if (gold.kind === "relation" && answer.kind === "relation") return sameRelation(gold, answer, options);
  if (gold.kind === "list" && answer.kind === "list" && sameList(gold, answer, options)) return true;
  if (isSingleton(gold) !== isSingleton(answer)) return same(unwrap(gold), unwrap(answer), options);
  if (describesSet(gold) || describesSet(answer)) {
    if (answer.kind === "relation" && gold.kind !== "relation" && !options.allowSetRelation) return false;
    const [a, b] = [toRealSet(gold), toRealSet(answer)];
    return a !== null && b !== null && sameSet(a, b);
  }
  if (gold.kind === "list" || answer.kind === "list" || gold.kind === "relation" || answer.kind === "relation")
    return false;
  return sameTerm(gold, answer, options);
}

function isEquation(expression: Expression): expression is Relation {
  return expression.kind === "relation" && expression.signs.length === 1 && expression.signs[0] === "=";
}

/** Whether an equation says what something is: `x = 3`, `f(2) = 3`, `(x, y) = (1, 2)`, `A : B = 1 : 2`, or `6/2 = 3`. */
function givesValue({ parts }: Relation): boolean {
  const [left, right] = parts as [Expression, Expression];
  return isName(left) || (unknowns(left).size === 0 && unknowns(right).size === 0);
}

function isName(expression: Expression): boolean {
  if (expression.kind === "symbol" || expression.kind === "text") return true;
  if (expression.kind === "list") return expression.items.every(isName);
  if (expression.kind !== "apply") return false;
  if (expression.operator.startsWith("call ")) return true;
  if (expression.operator === "*" && expression.args[0]!.kind === "symbol" && expression.args[1]!.kind !== "number") {
    return isName(expression.args[1]!);
  }
  return (expression.operator === "/" || expression.operator === "*") && expression.args.every(isName);
}

function isSingleton(expression: Expression): expression is List {
  return expression.kind === "list" && expression.items.length === 1;
}

function unwrap(expression: Expression): Expression {
  return isSingleton(expression) ? expression.items[0]! : expression;
}

function describesSet(expression: Expression): boolean {
  if (expression.kind === "relation") return true;
  if (expression.kind === "list") {
    return (
      expression.open === "[" ||
      expression.close === "]" ||
      (expression.either === true && !expression.items.every(isEquation) && expression.items.some(describesSet))
    );
  }
  if (expression.kind === "symbol") return expression.name === "mathbb R" || expression.name === "emptyset";
  return expression.kind === "apply" && ["cup", "cap", "setminus"].includes(expression.operator);
}

function sameList(gold: List, answer: List, options: CompareOptions): boolean {
  const ordered = gold.open !== "" && gold.open !== "{" && answer.open !== "" && answer.open !== "{";
  if (!ordered) return sameUnordered(distinct(gold.items, options), distinct(answer.items, options), options);
  return (
    gold.open === answer.open &&
    gold.close === answer.close &&
    gold.items.length === answer.items.length &&
    gold.items.every((item, i) => same(item, answer.items[i]!, options))
  );
}

function distinct(items: readonly Expression[], options: CompareOptions): Expression[] {
  return items.filter((item, i) => !items.slice(0, i).some((earlier) => same(earlier, item, options)));
}

function sameUnordered(gold: readonly Expression[], answer: readonly Expression[], options: CompareOptions): boolean {
  if (gold.length !== answer.length) return false;
  const rest = [...answer];
  return gold.every((item) => {
    const place = rest.findIndex((other) => same(item, other, options));
    if (place >= 0) rest.splice(place, 1);
    return place >= 0;
  });
}

const mirrored: Partial<Record<RelationSign, RelationSign>> = { "<": ">", ">": "<", "<=": ">=", ">=": "<=" };

function sameRelation(gold: Relation, answer: Relation, options: CompareOptions): boolean {
  if (gold.signs.length === 1 && answer.signs.length === 1) {
    const factor = proportion(difference(gold), difference(answer));
    const [a, b] = [gold.signs[0]!, answer.signs[0]!];
    if (factor !== null) return factor > 0 || mirrored[a] === undefined ? a === b : mirrored[a] === b;
    if (isEquation(gold)) {
      return isEquation(answer) && gold.parts.every((part, i) => same(part, answer.parts[i]!, options));
    }
  }
  const [a, b] = [toRealSet(gold), toRealSet(answer)];
  if (a !== null && b !== null && unknownsOf(gold) === unknownsOf(answer)) return sameSet(a, b);
  return [answer, mirror(answer)].some(
    ({ signs, parts }) =>
      signs.join() === gold.signs.join() && gold.parts.every((part, i) => same(part, parts[i]!, options)),
  );
}

function unknownsOf(expression: Expression): string {
  return [...unknowns(expression)].sort().join();
}

function mirror({ signs, parts }: Relation): Relation {
  return {
    kind: "relation",
    signs: signs.map((sign) => mirrored[sign] ?? sign).reverse(),
    parts: [...parts].reverse(),
  };
}

function difference({ parts }: Relation): Expression {
  return apply("-", parts[0]!, parts[1]!);
}

/** The constant c with a = c b at all points, or null. */
function proportion(a: Expression, b: Expression): number | null {
  const names = [...unknowns(a), ...unknowns(b)];
  if (names.length === 0) return null;
  let factor: number | null = null;
  for (let k = 0; k < pointCount; k++) {
    const [x, y] = [valueAt(a, k), valueAt(b, k)];
    if (x === null || y === null || isMatrix(x) || isMatrix(y)) return null;
    if (Math.abs(x.im) > 1e-9 || Math.abs(y.im) > 1e-9 || x.re === 0 || y.re === 0) return null;
    const ratio = x.re / y.re;
    if (factor !== null && Math.abs(ratio - factor) > 1e-9 * Math.abs(factor)) return null;
    factor ??= ratio;
  }
  return factor;
}

function sameTerm(gold: Expression, answer: Expression, options: CompareOptions): boolean {
  for (const [a, b] of percentReadings(gold, answer)) {
    const [exactA, exactB] = [exactValue(a), exactValue(b)];
    const rounded = some(a, isDecimal) || some(b, isDecimal);
    if (exactA !== null && exactB !== null && !rounded) {
      if (exactA.numerator === exactB.numerator && exactA.denominator === exactB.denominator) return true;
    } else if (sameAtPoints(a, b, rounded ? options.precision : null)) return true;
  }
  return false;
}

function isDecimal(part: Expression): boolean {
  return part.kind === "number" && part.decimal;
}

/** The pairs under which answers with a per cent sign may agree: as they are, or with the sign of one left out. */
function percentReadings(a: Expression, b: Expression): [Expression, Expression][] {
  const bare = (expression: Expression) =>
    expression.kind === "apply" && expression.operator === "percent" ? expression.args[0]! : null;
  const [bareA, bareB] = [bare(a), bare(b)];
  if (bareA !== null && bareB !== null) return [[bareA, bareB]];
  return [
    [a, b],
    ...(bareA === null ? [] : [[bareA, b] as [Expression, Expression]]),
    ...(bareB === null ? [] : [[a, bareB] as [Expression, Expression]]),
  ];
}

/** @param precision decimals to round to, or null for equality to the last digits of double precision */
function sameAtPoints(a: Expression, b: Expression, precision: number | null): boolean {
  const count = unknowns(a).size + unknowns(b).size === 0 ? 1 : pointCount;
  let compared = 0;
  for (let k = 0; k < count; k++) {
    const [x, y] = [valueAt(a, k), valueAt(b, k)];
    if (x === null || y === null) return false;
    if (isUndefined(x) && isUndefined(y)) continue;
    if (!sameValue(x, y, precision)) return false;
    compared++;
  }
  return compared > 0;
}

function valueAt(expression: Expression, k: number): Value | null {
  try {
    return evaluate(expression, (name) => real(coordinate(name, k)));
  } catch (error) {
    if (error instanceof NoValue) return null;
    throw error;
  }
}

/** The value of an unknown at a point: fixed by its name and the number of the point, between -3 and 3, never near 0. */
function coordinate(name: string, k: number): number {
  let hash = 0x811c9dc5 ^ k;
  for (const character of `${name}/${k}`) hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  const fraction = ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32;
  return fraction < 0.5 ? -3 + 5.4 * fraction : 0.3 + 5.4 * (fraction - 0.5);
}

function isUndefined(value: Value): boolean {
  return isMatrix(value) ? value.flat().some(isUndefined) : Number.isNaN(value.re) || Number.isNaN(value.im);
}

function sameValue(x: Value, y: Value, precision: number | null): boolean {
  if (isMatrix(x) !== isMatrix(y)) return false;
  if (isMatrix(x) && isMatrix(y)) {
    return (
      x.length === y.length &&
      x[0]!.length === y[0]!.length &&
      x.every((row, i) => row.every((cell, j) => sameNumber(cell, y[i]![j]!, precision)))
    );
  }
  return sameNumber(x as Complex, y as Complex, precision);
}

function sameNumber(x: Complex, y: Complex, precision: number | null): boolean {
  if (x.re === y.re && x.im === y.im) return true;
  if (!Number.isFinite(x.re) || !Number.isFinite(y.re)) return false;
  const gap = absolute({ re: x.re - y.re, im: x.im - y.im });
  if (gap <= 1e-10 * Math.max(absolute(x), absolute(y), 1e-3)) return true;
  if (precision === null) return false;
  return round(x.re, precision) === round(y.re, precision) && round(x.im, precision) === round(y.im, precision);
}

function round(value: number, decimals: number): number {
  const scaled = value * 10 ** decimals;
  return Math.abs(scaled) < 2 ** 52 ? Math.round(scaled + Math.sign(scaled) * 1e-9) : scaled;
}
