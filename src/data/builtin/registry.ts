import { ExitCode, GrpoError } from "../../errors.js";
import type { DataRecord } from "../plain.js";
import { type AdditionOptions, additionAlphabet, additionTask } from "./addition.js";

/** A task that needs no file: its rows come from a program, the same for the same options. */
export interface BuiltinTask {
  description: string;
  /** Every character of its prompts and answers, for models that are made with a character tokenizer. */
  alphabet: string;
  rows(options: AdditionOptions): DataRecord[];
}

/** The built-in tasks by the name that `builtin:` takes. */
export const builtinTasks: Readonly<Record<string, BuiltinTask>> = {
  addition: {
    description: "sums of two whole numbers: 7+5= -> 12",
    alphabet: additionAlphabet,
    rows: additionTask,
  },
};

/**
 * A built-in task by name.
 *
 * @throws GrpoError GRPO_CONFIG naming the tasks there are
 */
export function builtinTask(name: string): BuiltinTask {
  const task = Object.hasOwn(builtinTasks, name) ? builtinTasks[name] : undefined;
  if (task !== undefined) return task;
  throw new GrpoError("GRPO_CONFIG", `there is no built-in task "${name}"`, {
    exitCode: ExitCode.config,
    fix: `use one of ${Object.keys(builtinTasks).join(", ")}`,
  });
}
