import { ExitCode, GrpoError } from "../../errors.js";
import type { DataRecord } from "../plain.js";
import { type AdditionOptions, additionAlphabet, additionTask } from "./addition.js";
import { type GridWorldOptions, gridWorldAlphabet, gridWorldTask } from "./grid-world.js";

/** Options of all built-in tasks; each reads its own. */
export type BuiltinOptions = AdditionOptions & GridWorldOptions;

/** A task that needs no file: its rows come from a program, the same for the same options. */
export interface BuiltinTask {
  description: string;
  /** Every character of its prompts and answers, for models that are made with a character tokenizer. */
  alphabet: string;
  rows(options: BuiltinOptions): DataRecord[];
}

/** The built-in tasks by the name that `builtin:` takes. */
export const builtinTasks: Readonly<Record<string, BuiltinTask>> = {
  addition: {
    description: "sums of two whole numbers: 7+5= -> 12",
    alphabet: additionAlphabet,
    rows: additionTask,
  },
  grid_world: {
    description: "small mazes for the environment grid_world: a walker looks for a goal",
    alphabet: gridWorldAlphabet,
    rows: gridWorldTask,
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
