import { dataError } from "./data-error.js";
import type { DataRecord } from "./plain.js";

const lineFix = "every line must be one complete JSON object, with no comma between lines";

/**
 * Records of JSON Lines: one object per line; empty lines are skipped.
 *
 * @param limit stop after so many records
 * @throws GrpoError GRPO_DATA naming the line that is not a JSON object
 */
export function parseJsonLines(path: string, bytes: Buffer, limit = Number.POSITIVE_INFINITY): DataRecord[] {
  const records: DataRecord[] = [];
  for (let start = 0, line = 1; start < bytes.length && records.length < limit; line++) {
    const newline = bytes.indexOf(10, start);
    const end = newline < 0 ? bytes.length : newline;
    const text = bytes.toString("utf8", start, end).trim();
    start = end + 1;
    if (text === "") continue;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw dataError(path, line, `not valid JSON: ${(cause as Error).message}`, lineFix, cause);
    }
    if (!isRecord(value)) throw dataError(path, line, `expected a JSON object, found ${kindOf(value)}`, lineFix);
    records.push(value);
  }
  return records;
}

/**
 * Records of a JSON file that holds one array of objects.
 *
 * @throws GrpoError GRPO_DATA when the text is not JSON or an element is not an object
 */
export function parseJsonArray(path: string, bytes: Buffer, limit = Number.POSITIVE_INFINITY): DataRecord[] {
  let values: unknown;
  try {
    values = JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw dataError(
      path,
      null,
      `not valid JSON: ${(cause as Error).message}`,
      "mend the file, or write JSON Lines",
      cause,
    );
  }
  return (values as unknown[]).slice(0, limit).map((value, row) => {
    if (isRecord(value)) return value;
    throw dataError(path, row + 1, `expected a JSON object, found ${kindOf(value)}`, "make every element an object");
  });
}

function isRecord(value: unknown): value is DataRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : `a ${typeof value}`;
}
