import type { Row } from "../../src/algorithms/types.js";
import type { RewardSample } from "../../src/rewards/types.js";

/** Values of a vector file. Its shape is the business of the file and its adapter. */
// biome-ignore lint/suspicious/noExplicitAny: JSON made elsewhere, read only by adapters.
export type Data = any;

/** Turns inputs and parameters of a case into its outputs by calling the product. It renames, pads and unpads only. */
export type Op = (inputs: Data, params: Data) => unknown;

/** What a file of adapters/ exports: the `system` of its vector file, and one entry per operation. */
export interface Adapter {
  system: string;
  ops: Record<string, Op>;
}

/** Stands for an output that the inputs of the case do not determine; the runner prints the reason and goes on. */
export class Undetermined {
  constructor(readonly reason: string) {}
}

/** A row with a length and mask, and defaults for the rest. */
export function row(fields: Partial<Row> & { length: number }): Row {
  return {
    group: 0,
    mask: new Uint8Array(fields.length).fill(1),
    reward: 0,
    components: {},
    role: "train",
    weight: 1,
    terminated: true,
    spans: {},
    steps: [],
    trajectory: 0,
    record: {},
    tokens: new Int32Array(fields.length),
    text: "",
    ...fields,
  };
}

/** A completion as a reward sees it, with defaults for all but its text. */
export function sample(completion: string, record: Record<string, unknown> = {}): RewardSample {
  return {
    prompt: "",
    completion,
    messages: [],
    tokens: new Int32Array(0),
    finish: "stop",
    record,
    trace: {},
    group: 0,
    sample: 0,
  };
}

/** Numbers of a JSON array; null = NaN. */
export function numbers(values: (number | null)[]): Float64Array {
  return Float64Array.from(values, (value) => value ?? Number.NaN);
}

/** A 0/1 array as a mask. */
export function mask(values: (number | boolean)[]): Uint8Array {
  return Uint8Array.from(values, Number);
}

/** A group number per label, in order of first appearance. */
export function groupNumbers(labels: (string | number)[]): number[] {
  const known = [...new Set(labels)];
  return labels.map((label) => known.indexOf(label));
}
