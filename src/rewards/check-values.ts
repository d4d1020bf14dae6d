/** What is wrong with the answer of a reward. */
export type ValueProblem =
  | { kind: "not_a_list"; got: string }
  | { kind: "length"; got: number }
  | { kind: "value"; index: number; got: string };

/**
 * Checks the answer of user code: one finite number or null per sample.
 *
 * @returns values with NaN for null, or what is wrong
 */
export function checkValues(answer: unknown, count: number): Float64Array<ArrayBuffer> | ValueProblem {
  if (!Array.isArray(answer) && !(ArrayBuffer.isView(answer) && !(answer instanceof DataView))) {
    return { kind: "not_a_list", got: describe(answer) };
  }
  const list = answer as ArrayLike<unknown>;
  if (list.length !== count) return { kind: "length", got: list.length };
  const values = new Float64Array(count);
  for (let index = 0; index < count; index++) {
    const value = list[index];
    if (value === null) values[index] = Number.NaN;
    else if (typeof value === "number" && Number.isFinite(value)) values[index] = value;
    else return { kind: "value", index, got: describe(value) };
  }
  return values;
}

function describe(value: unknown): string {
  if (typeof value === "number" || value === null || value === undefined) return String(value);
  if (typeof value === "string") return `the string ${JSON.stringify(value.slice(0, 40))}`;
  if (typeof value === "bigint" || typeof value === "boolean") return `the ${typeof value} ${value}`;
  if (Array.isArray(value)) return "a list";
  return typeof value === "function" ? "a function" : `an object (${value.constructor?.name ?? "no prototype"})`;
}
