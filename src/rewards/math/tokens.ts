/** A piece of mathematical text. */
export type Token =
  | { kind: "number"; text: string }
  /** A letter, a Greek letter, or a word in upright type that stands for one thing. */
  | { kind: "symbol"; text: string }
  | { kind: "function"; text: string }
  /** `\text{...}`: a unit, a word between answers, or an answer in words. */
  | { kind: "text"; text: string }
  | { kind: "command"; text: string }
  /** Operators, signs of relation, brackets and separators, each under one name. */
  | { kind: "mark"; text: string };

const marks: Record<string, string> = {
  cdot: "*",
  times: "*",
  ast: "*",
  div: "/",
  colon: ":",
  lt: "<",
  gt: ">",
  le: "<=",
  leq: "<=",
  leqslant: "<=",
  ge: ">=",
  geq: ">=",
  geqslant: ">=",
  ne: "!=",
  neq: "!=",
  approx: "~",
  approxeq: "~",
  simeq: "~",
  sim: "~",
  equiv: "=",
  in: "in",
  pm: "+-",
  mp: "-+",
  cup: "cup",
  bigcup: "cup",
  cap: "cap",
  setminus: "setminus",
  backslash: "setminus",
  lfloor: "lfloor",
  rfloor: "rfloor",
  lceil: "lceil",
  rceil: "rceil",
  lvert: "|",
  rvert: "|",
  vert: "|",
  mid: "|",
  lbrace: "\\{",
  rbrace: "\\}",
  lbrack: "[",
  rbrack: "]",
  langle: "(",
  rangle: ")",
  to: "->",
  rightarrow: "->",
  mapsto: "->",
  wedge: ",",
  land: ",",
  lor: ",",
  vee: ",",
};

const unicode: Record<string, string> = {
  "−": "-",
  "–": "-",
  "×": "*",
  "·": "*",
  "⋅": "*",
  "∗": "*",
  "÷": "/",
  "≤": "<=",
  "≥": ">=",
  "≠": "!=",
  "≈": "~",
  "∈": "in",
  "±": "+-",
  "∪": "cup",
  "∩": "cap",
  "∖": "setminus",
};

const constantCommands: Record<string, string> = {
  pi: "pi",
  infty: "infinity",
  emptyset: "emptyset",
  varnothing: "emptyset",
};
const unicodeSymbols: Record<string, string> = { π: "pi", "∞": "infinity", "∅": "emptyset" };

/** Commands that change the look alone; those with an argument leave it in place. */
const ignored = new Set(
  "left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr middle displaystyle textstyle limits quad qquad thinspace ; : , ! > hline boldsymbol boxed fbox mathbf mathit bm bf it rm degree circ nonumber enspace".split(
    " ",
  ),
);

/** Commands whose argument is words. */
const textCommands = new Set(
  "text textbf textit textrm textnormal textsf texttt mbox hbox mathrm operatorname mathsf".split(" "),
);

const functions = new Set(
  "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh ln log exp max min sqrt".split(" "),
);

const plainWords: Record<string, string> = { pi: "pi", infinity: "infinity", inf: "infinity", oo: "infinity" };

/** Splits LaTeX or plain mathematics into tokens; what only spaces or decorates is left out. */
export function tokenize(source: string): Token[] {
  return split(mendSource(source));
}

/** Undoes doubled backslashes before commands (outside of matrices, where they end rows), and drops degrees and digit groups. */
function mendSource(source: string): string {
  const single = /\\begin\s*\{/.test(source) ? source : source.replace(/\\\\(?=[A-Za-z])/g, "\\");
  return single
    .replace(/\^\s*(?:\\circ|\{\s*\\circ\s*\})/g, "")
    .replace(/(?<=\d)(?:,\s*\\!\s*|\\[,;:]\s?|\{,\})(?=\d{3}(?!\d))/g, "");
}

function split(source: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const rest = () => source.slice(at);
  while (at < source.length) {
    const character = source[at]!;
    const number = rest().match(/^(?:\d+(?:\.\d+)?|\.\d+)/)?.[0];
    if (number !== undefined) {
      tokens.push({ kind: "number", text: number });
      at += number.length;
    } else if (character === "\\") at += readCommand(source, at, tokens);
    else if (/[A-Za-z]/.test(character)) at += readWord(rest(), tokens);
    else {
      const two = rest().match(/^(?:<=|>=|!=|==|\*\*|->|\+-)/)?.[0];
      if (two !== undefined) tokens.push({ kind: "mark", text: two === "==" ? "=" : two === "**" ? "^" : two });
      else if (unicode[character] !== undefined) tokens.push({ kind: "mark", text: unicode[character]! });
      else if (unicodeSymbols[character] !== undefined)
        tokens.push({ kind: "symbol", text: unicodeSymbols[character]! });
      else if (character === "√") tokens.push({ kind: "function", text: "sqrt" });
      else if (/\p{L}/u.test(character)) tokens.push({ kind: "symbol", text: character });
      else if (!/[\s$°~€£]/.test(character)) tokens.push({ kind: "mark", text: character });
      at += two?.length ?? 1;
    }
  }
  return tokens;
}

/** Reads a command at `at`; returns the length it took. */
function readCommand(source: string, at: number, tokens: Token[]): number {
  const written = source.slice(at + 1).match(/^(?:[A-Za-z]+|\\|.)/s)?.[0] ?? "";
  // "\quadx" is a slip for "\quad x".
  const name = written.match(/^(q?quad)[a-z]/)?.[1] ?? written;
  const end = at + 1 + name.length;
  if (ignored.has(name) || name.trim() === "") return end - at;
  if (name === "{" || name === "}") tokens.push({ kind: "mark", text: `\\${name}` });
  else if (name === "\\") tokens.push({ kind: "mark", text: "newline" });
  else if (name === "%") tokens.push({ kind: "mark", text: "%" });
  else if (name === "$" || name === "#" || name === "&" || name === "_") return end - at;
  else if (name === "|") tokens.push({ kind: "mark", text: "|" });
  else if (marks[name] !== undefined) tokens.push({ kind: "mark", text: marks[name] });
  else if (constantCommands[name] !== undefined) tokens.push({ kind: "symbol", text: constantCommands[name] });
  else if (textCommands.has(name)) {
    const argument = readGroup(source, end);
    if (argument !== null) {
      const words = argument.text.trim();
      if (functions.has(words)) tokens.push({ kind: "function", text: words });
      else tokens.push({ kind: "text", text: argument.text });
      return argument.end - at;
    }
  } else if (functions.has(name)) tokens.push({ kind: "function", text: name });
  else if (/^[dtc]?frac$|^[dt]?binom$|^begin$|^end$/.test(name)) {
    tokens.push({ kind: "command", text: name.replace(/^[dtc](?=frac|binom)/, "") });
  } else if (/^(?:over(?:line|rightarrow)|vec|hat|bar|widehat|tilde|mathbb|mathcal)$/.test(name)) {
    const argument = readGroup(source, end);
    if (argument !== null) {
      tokens.push({ kind: "symbol", text: `${name} ${argument.text.trim()}` });
      return argument.end - at;
    }
  } else tokens.push({ kind: "symbol", text: name });
  return end - at;
}

/** Reads a plain word: a function, a constant, `and`/`or`/`percent`; else its first letter alone. */
function readWord(rest: string, tokens: Token[]): number {
  const word = rest.match(/^[A-Za-z]+/)![0];
  if (functions.has(word)) tokens.push({ kind: "function", text: word });
  else if (plainWords[word] !== undefined) tokens.push({ kind: "symbol", text: plainWords[word] });
  else if (/^(?:and|or|percent|pct)$/.test(word)) tokens.push({ kind: "text", text: word });
  else {
    tokens.push({ kind: "symbol", text: word[0]! });
    return 1;
  }
  return word.length;
}

/** The text between the braces that open at or after `at` (spaces aside), or null. */
export function readGroup(source: string, at: number): { text: string; end: number } | null {
  let start = at;
  while (source[start] === " ") start++;
  if (source[start] !== "{") return null;
  let depth = 0;
  for (let i = start; i < source.length; i++) {
    if (source[i] === "\\") i++;
    else if (source[i] === "{") depth++;
    else if (source[i] === "}" && --depth === 0) return { text: source.slice(start + 1, i), end: i + 1 };
  }
  return null;
}
