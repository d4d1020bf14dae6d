/** What a mathematical answer is, as read from LaTeX or plain text. */
export type Expression =
  | NumberExpression
  | { kind: "symbol"; name: string }
  | { kind: "text"; text: string }
  /** A named function or an operator: + - * / ^ neg ! +- and the like. */
  | { kind: "apply"; operator: string; args: Expression[] }
  | ListExpression
  | { kind: "matrix"; rows: Expression[][] }
  /** A chain a < b <= c: one more part than signs. */
  | { kind: "relation"; signs: RelationSign[]; parts: Expression[] };

/** Items between brackets: a tuple, an interval or a set; without brackets (open = "") a bare list of answers. */
export interface ListExpression {
  kind: "list";
  open: "(" | "[" | "{" | "";
  close: ")" | "]" | "}" | "";
  items: Expression[];
  /** The items of a bare list had "or" between them: inequalities then describe a union. */
  either?: boolean;
}

export interface NumberExpression {
  kind: "number";
  value: Rational;
  /** Written with a decimal point, so known only to a number of digits. */
  decimal: boolean;
}

export type RelationSign = "=" | "<" | ">" | "<=" | ">=" | "!=" | "~" | "in";

/** An exact fraction; the denominator is positive. */
export interface Rational {
  numerator: bigint;
  denominator: bigint;
}

/** The fraction in lowest terms. */
export function rational(numerator: bigint, denominator = 1n): Rational {
  let [a, b] = [numerator < 0n ? -numerator : numerator, denominator < 0n ? -denominator : denominator];
  while (b !== 0n) [a, b] = [b, a % b];
  const divisor = (a === 0n ? 1n : a) * (denominator < 0n ? -1n : 1n);
  return { numerator: numerator / divisor, denominator: denominator / divisor };
}

/** The value of digits with an optional decimal point. */
export function parseDecimal(text: string): NumberExpression {
  const [whole, fraction = ""] = text.split(".");
  const value = rational(BigInt(`${whole}${fraction}` || "0"), 10n ** BigInt(fraction.length));
  return { kind: "number", value, decimal: text.includes(".") };
}

export function integer(value: number): NumberExpression {
  return { kind: "number", value: rational(BigInt(value)), decimal: false };
}

export function apply(operator: string, ...args: Expression[]): Expression {
  return { kind: "apply", operator, args };
}

/** The direct parts of an expression. */
export function children(expression: Expression): Expression[] {
  switch (expression.kind) {
    case "apply":
      return expression.args;
    case "list":
      return expression.items;
    case "matrix":
      return expression.rows.flat();
    case "relation":
      return expression.parts;
    default:
      return [];
  }
}

/** Whether some part of an expression, or it itself, is as `test` says. */
export function some(expression: Expression, test: (part: Expression) => boolean): boolean {
  return test(expression) || children(expression).some((child) => some(child, test));
}

/** Names of the symbols in an expression that stand for unknowns; pi, e, i and infinity are no such. */
export function unknowns(expression: Expression): Set<string> {
  const names = new Set<string>();
  some(expression, (part) => {
    if (part.kind === "symbol" && !constants.has(part.name)) names.add(part.name);
    if (part.kind === "apply" && part.operator.startsWith("call ")) names.add(part.operator);
    return false;
  });
  return names;
}

/** Symbols with a fixed value. */
export const constants: ReadonlySet<string> = new Set(["pi", "e", "i", "infinity"]);
