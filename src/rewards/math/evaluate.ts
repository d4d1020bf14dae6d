import {
  absolute,
  add,
  type Complex,
  cosine,
  divide,
  exponential,
  logarithm,
  multiply,
  one,
  power,
  real,
  sine,
  squareRoot,
  subtract,
  zero,
} from "./complex.js";
import { exactValue } from "./exact.js";
import type { Expression, Rational } from "./expression.js";

/** A number or a matrix of numbers. */
export type Value = Complex | Complex[][];

/** Values of the unknowns. */
export type Point = (name: string) => Complex;

/** Thrown where an expression has no numeric value: a text, a relation, a matrix product that does not fit. */
export class NoValue extends Error {}

/**
 * Value of an expression at a point, in double precision on the complex plane (principal branches).
 *
 * @throws NoValue where there is none
 */
export function evaluate(expression: Expression, point: Point): Value {
  switch (expression.kind) {
    case "number":
      return real(toNumber(expression.value));
    case "symbol":
      return evaluateSymbol(expression.name, point);
    case "matrix":
      return expression.rows.map((row) => row.map((cell) => scalar(evaluate(cell, point))));
    case "apply":
      return evaluateApply(expression.operator, expression.args, point);
    default:
      throw new NoValue();
  }
}

/** The nearest double to a fraction. */
export function toNumber({ numerator, denominator }: Rational): number {
  const direct = Number(numerator) / Number(denominator);
  if (Number.isFinite(direct)) return direct;
  return Number((numerator * 10n ** 30n) / denominator) / 1e30;
}

export function isMatrix(value: Value): value is Complex[][] {
  return Array.isArray(value);
}

function scalar(value: Value): Complex {
  if (!isMatrix(value)) return value;
  if (value.length === 1 && value[0]!.length === 1) return value[0]![0]!;
  throw new NoValue();
}

function evaluateSymbol(name: string, point: Point): Complex {
  if (name === "pi") return real(Math.PI);
  if (name === "e") return real(Math.E);
  if (name === "i") return { re: 0, im: 1 };
  if (name === "infinity") return real(Number.POSITIVE_INFINITY);
  return point(name);
}

function evaluateApply(operator: string, args: readonly Expression[], point: Point): Value {
  const values = args.map((arg) => evaluate(arg, point));
  const [a, b] = values as [Value, Value];
  switch (operator) {
    case "+":
      return elementwise(a, b, add);
    case "-":
      return elementwise(a, b, subtract);
    case "*":
      return product(a, b);
    case "/":
      return isMatrix(a) ? product(a, divide(one, scalar(b))) : divide(a, scalar(b));
    case "neg":
      return product(real(-1), a);
    case "^":
      return isMatrix(a) ? matrixPower(a, args[1]!, scalar(b)) : realPower(a, scalar(b), args[1]!);
  }
  const numbers = values.map(scalar);
  const known = functions[operator];
  if (known !== undefined) return known(...(numbers as [Complex, ...Complex[]]));
  if (operator.startsWith("call ")) return unknownFunction(operator, numbers, point);
  throw new NoValue();
}

/** A negative number to a fraction of odd denominator is the real root, as in school; else the principal branch. */
function realPower(base: Complex, exponent: Complex, written: Expression): Complex {
  if (base.im === 0 && base.re < 0) {
    const fraction = exactValue(written);
    if (fraction !== null && fraction.denominator > 1n && fraction.denominator % 2n === 1n) {
      const sign = fraction.numerator % 2n === 0n ? 1 : -1;
      return real(sign * (-base.re) ** exponent.re);
    }
  }
  return power(base, exponent);
}

function elementwise(a: Value, b: Value, act: (a: Complex, b: Complex) => Complex): Value {
  if (!isMatrix(a) && !isMatrix(b)) return act(a, b);
  if (!isMatrix(a) || !isMatrix(b) || a.length !== b.length || a[0]!.length !== b[0]!.length) throw new NoValue();
  return a.map((row, i) => row.map((cell, j) => act(cell, b[i]![j]!)));
}

function product(a: Value, b: Value): Value {
  if (!isMatrix(a)) return isMatrix(b) ? b.map((row) => row.map((cell) => multiply(a, cell))) : multiply(a, b);
  if (!isMatrix(b)) return product(b, a);
  if (a[0]!.length !== b.length) throw new NoValue();
  return a.map((row) => b[0]!.map((_, j) => row.reduce((sum, cell, k) => add(sum, multiply(cell, b[k]![j]!)), zero)));
}

function matrixPower(a: Complex[][], exponent: Expression, n: Complex): Value {
  if (exponent.kind === "symbol" && exponent.name === "T") return a[0]!.map((_, j) => a.map((row) => row[j]!));
  if (!Number.isInteger(n.re) || n.im !== 0 || n.re < 1 || n.re > 64) throw new NoValue();
  let result: Value = a;
  for (let i = 1; i < n.re; i++) result = product(result, a);
  return result;
}

/** Some smooth function of its own for each name: equal arguments give equal values, and others do not. */
function unknownFunction(name: string, args: readonly Complex[], point: Point): Complex {
  const phase = point(name);
  return args.reduce((sum, arg, i) => add(sum, sine(add(multiply(real(1.3 + i), arg), phase))), phase);
}

function onReals(act: (...args: number[]) => number): (...args: Complex[]) => Complex {
  return (...args) => {
    if (args.some(({ im }) => Math.abs(im) > 1e-9)) throw new NoValue();
    return real(act(...args.map(({ re }) => re)));
  };
}

/** Gamma(x + 1): exact products for small integers, the Lanczos approximation (g = 7, n = 9) elsewhere. */
function factorial(x: number): number {
  if (Number.isInteger(x) && x >= 0) {
    let result = 1;
    for (let i = 2; i <= Math.min(x, 171); i++) result *= i;
    return result;
  }
  if (x < -0.5) return Math.PI / (Math.sin(Math.PI * (x + 1)) * factorial(-x - 1));
  const lanczos = [
    676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406, 12.507343278686905,
    -0.13857109526572012, 9.984369578019572e-6, 1.5056327351493116e-7,
  ];
  const sum = lanczos.reduce((total, c, i) => total + c / (x + i + 1), 0.9999999999998099);
  const t = x + 7.5;
  return Math.sqrt(2 * Math.PI) * t ** (x + 0.5) * Math.exp(-t) * sum;
}

function binomial(n: number, k: number): number {
  if (!Number.isInteger(k) || k < 0) return factorial(n) / (factorial(k) * factorial(n - k));
  let result = 1;
  for (let i = 1; i <= k; i++) result = (result * (n - k + i)) / i;
  return result;
}

const hyperbolicSine = (a: Complex) =>
  multiply(real(0.5), subtract(exponential(a), exponential(multiply(real(-1), a))));
const hyperbolicCosine = (a: Complex) => multiply(real(0.5), add(exponential(a), exponential(multiply(real(-1), a))));

const functions: Record<string, (...args: [Complex, ...Complex[]]) => Complex> = {
  sqrt: (a) => squareRoot(a),
  root: (a, n) =>
    a.im === 0 && a.re < 0 && n!.re % 2 === 1 ? real(-((-a.re) ** (1 / n!.re))) : power(a, divide(one, n!)),
  sin: sine,
  cos: cosine,
  tan: (a) => divide(sine(a), cosine(a)),
  cot: (a) => divide(cosine(a), sine(a)),
  sec: (a) => divide(one, cosine(a)),
  csc: (a) => divide(one, sine(a)),
  arcsin: onReals(Math.asin),
  arccos: onReals(Math.acos),
  arctan: onReals(Math.atan),
  sinh: hyperbolicSine,
  cosh: hyperbolicCosine,
  tanh: (a) => divide(hyperbolicSine(a), hyperbolicCosine(a)),
  ln: logarithm,
  // Without a base, `log` is the natural logarithm, as in most of the literature and in SymPy.
  log: (a, base) => (base === undefined ? logarithm(a) : divide(logarithm(a), logarithm(base))),
  exp: exponential,
  percent: (a) => divide(a, real(100)),
  abs: (a) => real(absolute(a)),
  floor: onReals((x) => Math.floor(x + 1e-12)),
  ceil: onReals((x) => Math.ceil(x - 1e-12)),
  "!": onReals(factorial),
  binom: onReals(binomial),
  max: onReals(Math.max),
  min: onReals(Math.min),
};

/** Names of the functions that can be evaluated. */
export const functionNames: ReadonlySet<string> = new Set(Object.keys(functions));
