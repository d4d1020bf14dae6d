const arrays = { Float64Array, Float32Array, Int32Array, Uint8Array } as const;

type ArrayName = keyof typeof arrays;

/** A value as plain JSON that {@link unpack} turns back to the bit: typed arrays and numbers that JSON does not know. */
export function pack(value: unknown): unknown {
  if (typeof value === "number")
    return Number.isFinite(value) && !Object.is(value, -0) ? value : { $number: String(value === 0 ? "-0" : value) };
  if (typeof value !== "object" || value === null) return value;
  if (ArrayBuffer.isView(value)) {
    const name = value.constructor.name;
    if (!(name in arrays)) throw new Error(`cannot pack a ${name}`);
    return { $array: name, data: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") };
  }
  if (Array.isArray(value)) return value.map(pack);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, pack(item)]));
}

/** The value that {@link pack} was given. */
export function unpack(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(unpack);
  if ("$number" in value) return Number(value.$number);
  if ("$array" in value) {
    const bytes = Uint8Array.from(Buffer.from((value as { data?: string }).data ?? "", "base64"));
    return new arrays[value.$array as ArrayName](bytes.buffer);
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unpack(item)]));
}
