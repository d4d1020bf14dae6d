import type { DataRecord } from "./plain.js";

/** A parsed template: literal text and column references in turn. */
export interface Template {
  source: string;
  parts: (string | { column: string })[];
}

/**
 * Parses `text with {column}`. `{{` and `}}` stand for braces; `{a.b}` and `{a.0}` reach into nested values.
 *
 * @throws SyntaxError when a brace is open or stands alone
 */
export function parseTemplate(source: string): Template {
  const parts: Template["parts"] = [];
  let text = "";
  for (let at = 0; at < source.length; ) {
    const char = source[at]!;
    if ((char === "{" || char === "}") && source[at + 1] === char) {
      text += char;
      at += 2;
      continue;
    }
    if (char === "}") throw new SyntaxError('a "}" without "{" in the template; write "}}" for a brace');
    if (char === "{") {
      const end = source.indexOf("}", at);
      const column = source.slice(at + 1, end < 0 ? undefined : end);
      if (end < 0 || column === "" || column.includes("{")) {
        throw new SyntaxError('a "{" that names no column in the template; write "{{" for a brace');
      }
      if (text !== "") parts.push(text);
      parts.push({ column });
      text = "";
      at = end + 1;
      continue;
    }
    text += char;
    at++;
  }
  if (text !== "") parts.push(text);
  return { source, parts };
}

/**
 * The template's text for one record. Text stays as it is; numbers and booleans are printed; lists and objects become JSON.
 *
 * @param missing called with the name of a column that is absent or null; it throws
 */
export function fillTemplate(template: Template, record: DataRecord, missing: (column: string) => never): string {
  return template.parts
    .map((part) => {
      if (typeof part === "string") return part;
      const value = lookUp(record, part.column);
      if (value === undefined || value === null) return missing(part.column);
      return typeof value === "object" ? JSON.stringify(value) : String(value);
    })
    .join("");
}

/** A column's value: by its whole name first, then by its dotted path; undefined where there is none. */
export function lookUp(record: DataRecord, column: string): unknown {
  if (Object.hasOwn(record, column)) return record[column];
  let value: unknown = record;
  for (const key of column.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as DataRecord)[key];
  }
  return value;
}
