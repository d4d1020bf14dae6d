import { dataError } from "./data-error.js";
import type { DataRecord } from "./plain.js";

/**
 * Records of delimited text (RFC 4180): the first row names the columns, a field in double quotes may hold the delimiter,
 * line breaks and doubled quotes. Every value is text.
 *
 * @param delimiter "," or a tab
 * @throws GrpoError GRPO_DATA for an open quote, a row with another number of fields than the header, or a name given twice
 */
export function parseCsv(path: string, text: string, delimiter = ",", limit = Number.POSITIVE_INFINITY): DataRecord[] {
  const rows = csvRows(path, text, delimiter);
  const first = rows.next();
  const header = first.done ? [] : first.value.fields;
  const twice = header.find((name, i) => header.indexOf(name) !== i);
  if (twice !== undefined)
    throw dataError(path, 1, `column "${twice}" is named twice`, "give every column its own name");
  const records: DataRecord[] = [];
  for (const { fields, line } of rows) {
    if (records.length >= limit) break;
    if (fields.length !== header.length) {
      const what = `${fields.length} fields, but the header has ${header.length}`;
      throw dataError(path, line, what, "put fields that hold the delimiter or a line break in double quotes");
    }
    records.push(Object.fromEntries(header.map((name, i) => [name, fields[i]])));
  }
  return records;
}

/** Rows of fields with the line each starts on. A line without any character is no row. */
function* csvRows(path: string, text: string, delimiter: string): Generator<{ fields: string[]; line: number }, void> {
  const special = new RegExp(`[${delimiter}\r\n]`, "g");
  let line = 1;
  for (let at = 0; at < text.length; ) {
    const start = line;
    const fields: string[] = [];
    for (let more = true; more; ) {
      let field = "";
      if (text[at] === '"') {
        const end = closingQuote(text, at);
        if (end < 0)
          throw dataError(path, start, "a quoted field is not closed", 'end the field with " and double inner quotes');
        field = text.slice(at + 1, end).replaceAll('""', '"');
        line += countBreaks(field);
        at = end + 1;
      }
      special.lastIndex = at;
      const stop = special.exec(text)?.index ?? text.length;
      fields.push(field + text.slice(at, stop));
      more = text[stop] === delimiter;
      at = stop + (text.startsWith("\r\n", stop) ? 2 : 1);
    }
    line++;
    if (fields.length > 1 || fields[0] !== "") yield { fields, line: start };
  }
}

/** Index of the quote that closes the field opened at `open`, or -1. */
function closingQuote(text: string, open: number): number {
  for (let at = text.indexOf('"', open + 1); at >= 0; at = text.indexOf('"', at + 2)) {
    if (text[at + 1] !== '"') return at;
  }
  return -1;
}

function countBreaks(field: string): number {
  let breaks = 0;
  for (let at = field.indexOf("\n"); at >= 0; at = field.indexOf("\n", at + 1)) breaks++;
  return breaks;
}
