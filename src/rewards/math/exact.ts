import { type Expression, type Rational, rational } from "./expression.js";

/** Larger powers are left to floating point: a power tower must not stop a run. In hexadecimal digits. */
const maxDigits = 4096;

/** Exact value of an expression of rational numbers and + - * / ^ with integer exponents; null for any other. */
export function exactValue(expression: Expression): Rational | null {
  if (expression.kind === "number") return expression.value;
  if (expression.kind !== "apply" || !["+", "-", "*", "/", "^", "neg"].includes(expression.operator)) return null;
  const values = expression.args.map(exactValue);
  if (values.some((value) => value === null)) return null;
  const [a, b] = values as [Rational, Rational];
  switch (expression.operator) {
    case "+":
      return rational(a.numerator * b.denominator + b.numerator * a.denominator, a.denominator * b.denominator);
    case "-":
      return rational(a.numerator * b.denominator - b.numerator * a.denominator, a.denominator * b.denominator);
    case "*":
      return rational(a.numerator * b.numerator, a.denominator * b.denominator);
    case "/":
      return b.numerator === 0n ? null : rational(a.numerator * b.denominator, a.denominator * b.numerator);
    case "neg":
      return rational(-a.numerator, a.denominator);
    default:
      return exactPower(a, b);
  }
}

function exactPower(base: Rational, exponent: Rational): Rational | null {
  const n = exponent.numerator;
  const digits = base.numerator.toString(16).length + base.denominator.toString(16).length;
  if (exponent.denominator !== 1n || n > maxDigits || n < -maxDigits || digits * Math.abs(Number(n)) > maxDigits)
    return null;
  if (n >= 0n) return rational(base.numerator ** n, base.denominator ** n);
  return base.numerator === 0n ? null : rational(base.denominator ** -n, base.numerator ** -n);
}
