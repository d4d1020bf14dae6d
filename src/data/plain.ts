/** One row of a data set: column names to plain values (string, number, boolean, null, arrays and objects of these). */
export type DataRecord = Record<string, unknown>;

/**
 * A value of a columnar reader as plain JavaScript: 64-bit integers become numbers where that is exact, times become ISO
 * 8601 text, vectors and typed arrays become arrays, structs become objects. Bytes stay a `Uint8Array`.
 */
export function toPlain(value: unknown): unknown {
  if (value === undefined) return null;
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Map) return plainEntries(value.entries());
  if (Symbol.iterator in value && !("toJSON" in value && isRow(value))) {
    return Array.from(value as Iterable<unknown>, toPlain);
  }
  const source = isRow(value) ? value.toJSON() : value;
  return plainEntries(Object.entries(source));
}

/** Arrow's struct rows are iterable over [name, value] and know their object form. */
function isRow(value: object): value is { toJSON(): object } {
  const tag = (value as { [Symbol.toStringTag]?: string })[Symbol.toStringTag];
  return (tag === "Row" || tag === "MapRow") && "toJSON" in value;
}

function plainEntries(entries: Iterable<[unknown, unknown]>): DataRecord {
  const record: DataRecord = {};
  for (const [key, value] of entries) record[String(key)] = toPlain(value);
  return record;
}
