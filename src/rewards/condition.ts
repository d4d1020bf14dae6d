import { ExitCode, GrpoError } from "../errors.js";
import type { RewardSample } from "./types.js";

/**
 * The language of `when`: `||`, `&&`, `!`, parentheses, comparisons (== != < <= > >= in) over numbers, "strings", lists,
 * true, false, null, and the values of a sample: record.COLUMN, rewards.NAME, prompt, completion, finish, group, sample.
 */
export interface Condition {
  holds(sample: RewardSample): boolean;
  /** Reward components the condition reads; they are scored first. */
  needs: string[];
}

type Expression = (sample: RewardSample) => unknown;

const roots = new Set(["record", "rewards", "prompt", "completion", "finish", "group", "sample"]);
const constants: Record<string, unknown> = { true: true, false: false, null: null };
const token =
  /\s*(?:(\d+(?:\.\d+)?(?:e[+-]?\d+)?)|"([^"]*)"|'([^']*)'|([A-Za-z_][\w.]*)|(\|\||&&|[=!<>]=|[<>!()[\],-])|(\S))/gy;

/**
 * Compiles the `when` of a reward.
 *
 * @throws GrpoError GRPO_CONFIG for an expression that cannot be read
 */
export function compileCondition(name: string, source: string): Condition {
  const parser = new Parser(name, source);
  const expression = parser.parse();
  return { holds: (sample) => isTrue(expression(sample)), needs: parser.needs };
}

class Parser {
  readonly needs: string[] = [];
  private readonly tokens: RegExpExecArray[];
  private position = 0;

  constructor(
    private readonly name: string,
    private readonly source: string,
  ) {
    this.tokens = [...source.trimEnd().matchAll(token)];
  }

  parse(): Expression {
    const expression = this.or();
    if (this.position < this.tokens.length) this.fail(`"${this.tokens[this.position]![0].trim()}" is out of place`);
    return expression;
  }

  private or(): Expression {
    let left = this.and();
    while (this.takes("||")) {
      const [a, b] = [left, this.and()];
      left = (sample) => isTrue(a(sample)) || isTrue(b(sample));
    }
    return left;
  }

  private and(): Expression {
    let left = this.not();
    while (this.takes("&&")) {
      const [a, b] = [left, this.not()];
      left = (sample) => isTrue(a(sample)) && isTrue(b(sample));
    }
    return left;
  }

  private not(): Expression {
    if (!this.takes("!")) return this.comparison();
    const inner = this.not();
    return (sample) => !isTrue(inner(sample));
  }

  private comparison(): Expression {
    const left = this.operand();
    for (const [operator, compare] of Object.entries(comparisons)) {
      if (!this.takes(operator)) continue;
      const right = this.operand();
      return (sample) => compare(left(sample), right(sample));
    }
    return left;
  }

  private operand(): Expression {
    const next = this.tokens[this.position++];
    if (next === undefined) return this.fail("it ends too early");
    const [text, number, double, single, path, operator] = next;
    if (number !== undefined) return constant(Number(number));
    if (double !== undefined || single !== undefined) return constant(double ?? single);
    if (path !== undefined)
      return Object.hasOwn(constants, path) ? constant(constants[path]) : this.path(path.split("."));
    if (operator === "-") {
      const inner = this.operand();
      return (sample) => -(inner(sample) as number);
    }
    if (operator === "(") {
      const inner = this.or();
      if (!this.takes(")")) this.fail('a ")" is missing');
      return inner;
    }
    if (operator === "[") return this.list();
    return this.fail(`"${text.trim()}" is out of place`);
  }

  private list(): Expression {
    const items: Expression[] = [];
    while (!this.takes("]")) {
      items.push(this.operand());
      if (this.takes(",")) continue;
      if (!this.takes("]")) this.fail('a "]" is missing');
      break;
    }
    return (sample) => items.map((item) => item(sample));
  }

  private path(keys: string[]): Expression {
    const root = keys[0]!;
    if (!roots.has(root)) this.fail(`"${root}" is not known; there are: ${[...roots].join(", ")}`);
    if (root === "rewards") {
      if (keys.length !== 2) this.fail("a reward is written rewards.NAME");
      this.needs.push(keys[1]!);
    }
    return (sample) => {
      let value: unknown = sample;
      for (const key of keys) {
        if (value === null || typeof value !== "object" || !Object.hasOwn(value, key)) return null;
        value = (value as Record<string, unknown>)[key];
      }
      return value;
    };
  }

  private takes(operator: string): boolean {
    const next = this.tokens[this.position];
    if (next === undefined || (next[5] ?? next[4]) !== operator) return false;
    this.position++;
    return true;
  }

  private fail(what: string): never {
    throw new GrpoError("GRPO_CONFIG", `reward "${this.name}": when: cannot read \`${this.source}\`: ${what}`, {
      exitCode: ExitCode.config,
      fix: 'write a condition such as `record.kind == "math" && rewards.format == 1`',
    });
  }
}

const comparisons: Record<string, (a: unknown, b: unknown) => boolean> = {
  "==": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  "<=": (a, b) => ordered(a, b) && (a as number) <= (b as number),
  ">=": (a, b) => ordered(a, b) && (a as number) >= (b as number),
  "<": (a, b) => ordered(a, b) && (a as number) < (b as number),
  ">": (a, b) => ordered(a, b) && (a as number) > (b as number),
  in: (a, b) => (Array.isArray(b) ? b.includes(a) : typeof b === "string" && typeof a === "string" && b.includes(a)),
};

function ordered(a: unknown, b: unknown): boolean {
  return (typeof a === "number" && typeof b === "number") || (typeof a === "string" && typeof b === "string");
}

function constant(value: unknown): Expression {
  return () => value;
}

function isTrue(value: unknown): boolean {
  return value !== false && value !== null && value !== undefined && value !== 0 && value !== "";
}
