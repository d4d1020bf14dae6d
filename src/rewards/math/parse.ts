import { functionNames } from "./evaluate.js";
import { apply, type Expression, integer, parseDecimal, type RelationSign, rational } from "./expression.js";
import { separatorWords, TokenReader, Unreadable } from "./token-reader.js";
import { tokenize } from "./tokens.js";

const relationSigns: ReadonlySet<string> = new Set(["=", "<", ">", "<=", ">=", "!=", "~", "in"]);
const setOperators: ReadonlySet<string> = new Set(["cup", "cap", "setminus"]);
/** Letters that stand for functions when a parenthesis follows; any other letter multiplies it. */
const functionLetters: ReadonlySet<string> = new Set(["f", "g", "h", "F", "G", "H"]);
/** Longer texts are no answers, and would nest too deeply to be walked. */
const maxTokens = 1000;
/** Longer numbers are noise, not answers. */
const maxDigits = 400;

/**
 * Reads an answer written in LaTeX or plain text: numbers, terms, equations and inequalities, tuples, intervals, sets,
 * matrices, several answers with commas or "and" between them. Units and words beside a term are left out.
 *
 * @returns null where it cannot be read
 */
export function parseMath(source: string): Expression | null {
  try {
    const tokens = tokenize(source.trim().replace(/[.,;:\s]+$/, ""));
    return tokens.length > maxTokens ? null : new Parser(tokens).answer();
  } catch (error) {
    // Nesting that exhausts the stack is unreadable as well.
    if (error instanceof Unreadable || error instanceof RangeError) return null;
    throw error;
  }
}

class Parser extends TokenReader {
  /** How many absolute values are open: inside one, a bar closes it. */
  private bars = 0;
  /** Inside brackets a comma separates items and never groups digits. */
  private brackets = 0;

  answer(): Expression {
    const expression = this.list();
    if (this.at < this.tokens.length) throw new Unreadable();
    return expression;
  }

  /** Answers with separators between them; a single one is itself. */
  private list(): Expression {
    const items: Expression[] = [];
    const separators: string[] = [];
    while (!this.atEnd()) {
      const separator = this.takesSeparator();
      if (separator !== null) {
        separators.push(separator);
        continue;
      }
      if (items.length > 0 && !this.separated()) throw new Unreadable();
      items.push(this.relation());
    }
    if (items.length === 0) throw new Unreadable();
    if (items.length === 1) return items[0]!;
    const either = separators.every((separator) => /^[\s,]*or\s*$/.test(separator));
    return { kind: "list", open: "", close: "", items, either };
  }

  private separated(): boolean {
    const { text } = this.tokens[this.at - 1]!;
    return text === "," || text === ";" || separatorWords.test(text);
  }

  private relation(): Expression {
    const parts = [this.sets()];
    const signs: RelationSign[] = [];
    while (this.peekMark(relationSigns)) {
      signs.push(this.tokens[this.at++]!.text as RelationSign);
      parts.push(this.sets());
    }
    return signs.length === 0 ? parts[0]! : { kind: "relation", signs, parts };
  }

  private sets(): Expression {
    let left = this.sum();
    while (this.peekMark(setOperators)) {
      const operator = this.tokens[this.at++]!.text;
      left = apply(operator, left, this.sum());
    }
    return left;
  }

  private sum(): Expression {
    const words = this.takeWords();
    if (this.atEnd() || this.peekSeparator() || (words !== null && this.peekMark(relationSigns))) {
      if (words === null) throw new Unreadable();
      return { kind: "text", text: words };
    }
    let left = this.product();
    for (;;) {
      const sign = this.takesMark("+", "-", "+-", "-+");
      if (sign === null) return left;
      left = apply(sign, left, this.product());
    }
  }

  private product(): Expression {
    let left = this.signed();
    for (;;) {
      this.takeUnits();
      const sign = this.takesMark("*", "/", ":");
      if (sign !== null) left = apply(sign === ":" ? "/" : sign, left, this.signed());
      else if (this.startsFactor()) left = this.juxtapose(left);
      else return left;
    }
  }

  /** A factor without a sign before it; an integer before a fraction of integers is a mixed number. */
  private juxtapose(left: Expression): Expression {
    const literal = this.tokens[this.at - 1]!.kind === "number" && left.kind === "number" && !left.decimal;
    const fraction = this.tokens[this.at]!.text === "frac";
    const right = this.postfixed();
    const mixed =
      literal &&
      fraction &&
      right.kind === "apply" &&
      right.operator === "/" &&
      right.args.every((arg) => arg.kind === "number" && !arg.decimal);
    return apply(mixed ? "+" : "*", left, right);
  }

  private signed(): Expression {
    const sign = this.takesMark("-", "+", "+-", "-+");
    if (sign === null) return this.postfixed();
    const value = this.signed();
    if (sign === "+") return value;
    return sign === "-" ? apply("neg", value) : apply(sign, integer(0), value);
  }

  private postfixed(): Expression {
    let value = this.atom();
    for (;;) {
      if (this.takesMark("^") !== null) value = apply("^", value, this.script());
      else if (this.takesMark("!") !== null) value = apply("!", value);
      else if (this.takesMark("%") !== null || this.takesPercentWord()) value = apply("percent", value);
      else return value;
    }
  }

  private takesPercentWord(): boolean {
    const token = this.tokens[this.at];
    const takes = token?.kind === "text" && /^\s*(?:percent|pct|\\?%)\s*$/.test(token.text);
    if (takes) this.at++;
    return takes;
  }

  /** What stands in an exponent: a group, or one signed atom. */
  private script(): Expression {
    if (this.takesMark("-") !== null) return apply("neg", this.script());
    return this.atom();
  }

  private atom(): Expression {
    const token = this.tokens[this.at++];
    if (token === undefined) throw new Unreadable();
    switch (token.kind) {
      case "number":
        return this.number(token.text);
      case "symbol":
        return this.symbol(token.text);
      case "function":
        return this.call(token.text);
      case "command":
        return this.command(token.text);
      case "mark":
        return this.bracketed(token.text);
      case "text":
        throw new Unreadable();
    }
  }

  /** Digits, with thousands in groups outside of brackets, and with a base as subscript. */
  private number(first: string): Expression {
    if (first.length > maxDigits) throw new Unreadable();
    let text = first;
    if (/^\d{1,3}$/.test(first)) {
      while (
        this.brackets === 0 &&
        this.peek(0, ",") &&
        /^\d{3}(?:\.\d+)?$/.test(this.numberAt(1)) &&
        !text.includes(".")
      ) {
        text += this.numberAt(1);
        this.at += 2;
      }
      while (/^\d{3}(?:\.\d+)?$/.test(this.numberAt(0)) && !text.includes(".")) text += this.tokens[this.at++]!.text;
    }
    if (this.takesMark("_") !== null) {
      const base = Number(this.scriptText());
      const digits = [...text].map((digit) => Number(digit));
      if (!Number.isInteger(base) || base < 2 || digits.some((digit) => !(digit < base))) throw new Unreadable();
      const value = digits.reduce((sum, digit) => sum * BigInt(base) + BigInt(digit), 0n);
      return { kind: "number", value: rational(value), decimal: false };
    }
    return parseDecimal(text);
  }

  private symbol(letter: string): Expression {
    let name = letter;
    if (this.takesMark("_") !== null) name += `_${this.scriptText()}`;
    while (this.takesMark("'") !== null) name += "'";
    if (functionLetters.has(letter) && this.peek(0, "(")) {
      const args = this.atom();
      return apply(`call ${name}`, ...(args.kind === "list" ? args.items : [args]));
    }
    return { kind: "symbol", name };
  }

  private call(name: string): Expression {
    if (name === "sqrt") return this.root();
    const exponent = this.takesMark("^") === null ? null : this.script();
    const base = this.takesMark("_") === null ? null : this.atom();
    const argument = this.argument();
    const args = argument.kind === "list" && argument.open === "(" ? argument.items : [argument];
    const value = apply(name, ...args, ...(base === null ? [] : [base]));
    if (exponent === null) return value;
    const inverse = exponent.kind === "apply" && exponent.operator === "neg" && isOne(exponent.args[0]!);
    return inverse && functionNames.has(`arc${name}`) ? apply(`arc${name}`, ...args) : apply("^", value, exponent);
  }

  /** What a function without parentheses applies to: factors up to the next function, sign or bracket's end. */
  private argument(): Expression {
    if (this.peek(0, "(") || this.peek(0, "[")) return this.atom();
    let value = this.takesMark("-") === null ? this.postfixed() : apply("neg", this.postfixed());
    while (this.startsFactor() && this.tokens[this.at]!.kind !== "function" && !this.peek(0, "(")) {
      value = apply("*", value, this.postfixed());
    }
    return value;
  }

  private root(): Expression {
    if (!this.peek(0, "[")) return apply("sqrt", this.atom());
    this.at++;
    const degree = this.sum();
    if (this.takesMark("]") === null) throw new Unreadable();
    return apply("root", this.atom(), degree);
  }

  private command(name: string): Expression {
    if (name === "frac") return apply("/", this.commandArgument(), this.commandArgument());
    if (name === "binom") return apply("binom", this.commandArgument(), this.commandArgument());
    if (name === "begin") return this.environment();
    throw new Unreadable();
  }

  /** A group, or a single digit: `\frac12` is one half. */
  private commandArgument(): Expression {
    const token = this.tokens[this.at];
    if (token?.kind === "number" && token.text.length > 1) {
      this.tokens[this.at] = { kind: "number", text: token.text.slice(1) };
      return parseDecimal(token.text[0]!);
    }
    return this.atom();
  }

  private environment(): Expression {
    const name = this.scriptText();
    if (!/^[pbBv]?matrix$|^smallmatrix$|^array$/.test(name) || name === "vmatrix") throw new Unreadable();
    if (name === "array" && this.peek(0, "{")) this.scriptText();
    const rows: Expression[][] = [[]];
    while (this.tokens[this.at]?.text !== "end") {
      if (this.at >= this.tokens.length) throw new Unreadable();
      if (this.takesMark("newline") !== null) rows.push([]);
      else if (this.takesMark("&") === null) rows.at(-1)!.push(this.relation());
    }
    this.at++;
    this.scriptText();
    if (rows.at(-1)!.length === 0) rows.pop();
    if (rows.length === 0 || rows.some((row) => row.length !== rows[0]!.length)) throw new Unreadable();
    return { kind: "matrix", rows };
  }

  private bracketed(open: string): Expression {
    if (open === "|") {
      this.bars++;
      const value = this.sum();
      this.bars--;
      if (this.takesMark("|") === null) throw new Unreadable();
      return apply("abs", value);
    }
    if (open === "lfloor" || open === "lceil") {
      const value = this.sum();
      if (this.takesMark(open === "lfloor" ? "rfloor" : "rceil") === null) throw new Unreadable();
      return apply(open === "lfloor" ? "floor" : "ceil", value);
    }
    if (!["(", "[", "{", "\\{"].includes(open)) throw new Unreadable();
    return this.enclosed(open);
  }

  private enclosed(open: string): Expression {
    const outerBars = this.bars;
    this.bars = 0;
    if (open !== "{") this.brackets++;
    const empty = this.atEnd();
    const inner = empty ? null : this.list();
    if (open !== "{") this.brackets--;
    this.bars = outerBars;
    const closers = { "(": [")", "]"], "[": ["]", ")"], "{": ["}"], "\\{": ["\\}"] }[open]!;
    const close = this.takesMark(...closers);
    if (close === null) throw new Unreadable();
    if (open === "\\{") {
      return { kind: "list", open: "{", close: "}", items: inner === null ? [] : itemsOf(inner) };
    }
    if (inner === null) throw new Unreadable();
    if (open === "{" || inner.kind !== "list" || inner.open !== "") return inner;
    return { kind: "list", open: open as "(" | "[", close: close as ")" | "]", items: inner.items };
  }

  private startsFactor(): boolean {
    const token = this.tokens[this.at];
    if (token === undefined || token.kind === "text") return false;
    if (token.kind === "command") return token.text !== "end";
    if (token.kind !== "mark") return true;
    return ["(", "[", "{", "\\{", "lfloor", "lceil"].includes(token.text) || (token.text === "|" && this.bars === 0);
  }

  /** Takes words before a term; null where there are none. */
  private takeWords(): string | null {
    let words: string | null = null;
    for (
      let token = this.tokens[this.at];
      token?.kind === "text" && !this.peekSeparator();
      token = this.tokens[this.at]
    ) {
      words = `${words ?? ""}${token.text}`;
      this.at++;
    }
    return words;
  }

  /** Skips units after a term, with their exponents, as in `15 \text{ cm}^2`. */
  private takeUnits(): void {
    while (this.tokens[this.at]?.kind === "text" && !this.peekSeparator()) {
      this.at++;
      if (this.takesMark("^") !== null) this.script();
    }
  }
}

function itemsOf(inner: Expression): Expression[] {
  return inner.kind === "list" && inner.open === "" ? inner.items : [inner];
}

function isOne(expression: Expression): boolean {
  return expression.kind === "number" && expression.value.numerator === 1n && expression.value.denominator === 1n;
}
