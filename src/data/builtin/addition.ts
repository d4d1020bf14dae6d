import { ExitCode, GrpoError } from "../../errors.js";
import type { DataRecord } from "../plain.js";
import { Purpose, permutation, philox } from "../random.js";

/** Options of the addition task. */
export interface AdditionOptions {
  /** Smallest first number; 0 where absent. */
  min?: number | undefined;
  /** Largest first number. */
  max?: number | undefined;
  /** Largest second number; the same as `max` where absent. */
  max_second?: number | undefined;
  split?: string | undefined;
  seed?: number | undefined;
}

/** Characters of every prompt and answer. */
export const additionAlphabet = "0123456789+=";

/** One pair in five is held out for testing. */
const heldOut = 5;

/**
 * Sums as text, `{ prompt: "7+5=", answer: "12", a: 7, b: 5 }`, in an order fixed by the seed. Whether a sum is in `train` or
 * in `test` is decided by a hash of its two numbers in ascending order, so no test prompt is in training, nor its mirror.
 *
 * @throws GrpoError GRPO_CONFIG when an option is out of range
 */
export function additionTask(options: AdditionOptions = {}): DataRecord[] {
  const min = options.min ?? 0;
  const max = options.max ?? 99;
  const maxSecond = options.max_second ?? max;
  const split = options.split ?? "train";
  if (split !== "train" && split !== "test") throw optionError(`split "${split}" does not exist`, "use train or test");
  if (!isOperand(max) || !isOperand(maxSecond)) {
    throw optionError("max and max_second must be integers from 1 to 999", "name the largest number to add");
  }
  if (!Number.isInteger(min) || min < 0 || min > max) {
    throw optionError(`min must be an integer from 0 to max, which is ${max}`, "name the smallest first number");
  }
  const rows: DataRecord[] = [];
  for (let a = min; a <= max; a++) {
    for (let b = 0; b <= maxSecond; b++) {
      const test = philox([0, 0], [Math.min(a, b), Math.max(a, b), 0, Purpose.task])[0]! % heldOut === 0;
      if (test === (split === "test")) rows.push({ prompt: `${a}+${b}=`, answer: String(a + b), a, b });
    }
  }
  return Array.from(permutation(rows.length, options.seed ?? 0, Purpose.task, 0), (row) => rows[row]!);
}

function isOperand(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= 999;
}

function optionError(what: string, fix: string): GrpoError {
  return new GrpoError("GRPO_CONFIG", `built-in task addition: ${what}`, { exitCode: ExitCode.config, fix });
}
