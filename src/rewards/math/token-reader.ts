import type { Token } from "./tokens.js";

/** Thrown where a text is no mathematics that the parser knows. */
export class Unreadable extends Error {}

/** Words and marks that stand between answers. */
export const separatorWords = /^\s*(?:,?\s*(?:and|or)\s*|[,;])\s*$/;

/** A place in a list of tokens, and the questions a parser asks there. */
export class TokenReader {
  protected at = 0;

  constructor(protected readonly tokens: Token[]) {}

  protected peekSeparator(): boolean {
    const token = this.tokens[this.at];
    if (token?.kind === "mark") return token.text === "," || token.text === ";";
    return token?.kind === "text" && separatorWords.test(token.text);
  }

  protected peek(offset: number, mark: string): boolean {
    const token = this.tokens[this.at + offset];
    return token?.kind === "mark" && token.text === mark;
  }

  protected peekMark(marks: ReadonlySet<string>): boolean {
    const token = this.tokens[this.at];
    return token?.kind === "mark" && marks.has(token.text);
  }

  protected numberAt(offset: number): string {
    const token = this.tokens[this.at + offset];
    return token?.kind === "number" ? token.text : "";
  }

  protected takesMark(...marks: string[]): string | null {
    const token = this.tokens[this.at];
    if (token?.kind !== "mark" || !marks.includes(token.text)) return null;
    this.at++;
    return token.text;
  }

  protected takesSeparator(): string | null {
    return this.peekSeparator() ? this.tokens[this.at++]!.text : null;
  }

  protected atEnd(): boolean {
    const token = this.tokens[this.at];
    return (
      token === undefined || (token.kind === "mark" && [")", "]", "}", "\\}", "newline", "&"].includes(token.text))
    );
  }

  /** Text of a subscript, without its braces. */
  protected scriptText(): string {
    if (this.takesMark("{") === null) return this.tokens[this.at++]?.text ?? "";
    let text = "";
    for (let depth = 1; ; this.at++) {
      const token = this.tokens[this.at];
      if (token === undefined) throw new Unreadable();
      if (token.text === "{") depth++;
      if (token.text === "}" && --depth === 0) break;
      text += token.text;
    }
    this.at++;
    return text;
  }
}
