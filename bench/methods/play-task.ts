import { philox } from "../../src/data/random.js";
import type { Sections } from "./effect.js";

/** A row of a data file; `completion` is what the warm start imitates. */
export interface PlayRow {
  prompt: string;
  completion?: string;
  [column: string]: unknown;
}

/** A made-up task: small enough that a model of 0.1 M weights shows on it within seconds what a method does. */
export interface PlayTask {
  name: string;
  alphabet: string;
  /** What the policy imitates before anything else, and for how many steps. */
  warm: { rows: PlayRow[]; steps: number };
  train: PlayRow[];
  /** Rows of the evaluation; none where the rollouts tell enough. */
  test?: PlayRow[];
  maxTokens: number;
  rewards: readonly Sections[];
  /** Words that an encoder beside the data knows, in the folder `encoder`. */
  encoder?: readonly string[];
  /** Reward modules by file name, each the source of a file beside the data. */
  modules?: Readonly<Record<string, string>>;
}

/** A reward module that looks the completion up in a column of the row: `{completion: score}`, 0 where it is not there. */
export function lookUp(column: string): string {
  return `export default (samples) => samples.map(({ record, completion }) => record.${column}[completion.trim()] ?? 0);\n`;
}

/** A number in [0, 1) that is fixed by the counters given. */
export function uniform(a: number, b = 0, c = 0): number {
  return philox([20, 26], [a, b, c, 7])[0]! / 2 ** 32;
}

/** An index drawn by weights, fixed by the counters given. */
export function weighted(weights: readonly number[], a: number, b = 0, c = 0): number {
  let left = uniform(a, b, c) * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [i, weight] of weights.entries()) {
    left -= weight;
    if (left < 0) return i;
  }
  return weights.length - 1;
}

/** `count` values of a function of the index. */
export function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

/** The digit of a number, as text. */
export function digit(n: number): string {
  return String(((n % 10) + 10) % 10);
}

/** The digit that is right for a prompt's number: a permutation that has to be learnt. */
export function image(n: number): number {
  return (3 * n + 1) % 10;
}

/** A digit that is right with the given chance and any digit else, fixed by the counters. */
export function guess(n: number, right: number, a: number, b = 0): number {
  return uniform(a, b, 11) < right ? image(n) : Math.floor(10 * uniform(a, b, 12));
}

/** Source of a hash for reward modules: luck that is fixed by step and place. */
export const luck = `const luck = (step, { group, sample }) => {
  let x = step * 65536 + group * 256 + sample;
  for (let i = 0; i < 2; i++) x = Math.imul(x ^ (x >>> 16), 0x45d9f3b);
  return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
};
`;

/** Reward 1 for the text of the column `answer`. */
export const exact = [{ name: "accuracy", kind: "exact", answer: "{answer}" }];
