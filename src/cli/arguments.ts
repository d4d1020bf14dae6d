import { basename, relative } from "node:path";
import type { ArgumentsCamelCase, Argv } from "yargs";
import { ExitCode, GrpoError } from "../errors.js";

/** The options that a builder declares. */
export type OptionsOf<Builder> = Builder extends (yargs: Argv) => Argv<infer Options> ? Options : never;

/** What a handler receives of them: every name also in camel case. */
export type ArgumentsOf<Builder> = ArgumentsCamelCase<OptionsOf<Builder>>;

/** How the user calls this program from here: `grpo` where it is installed, else Node.js and the file. */
export function programName(): string {
  const file = process.argv[1] ?? "grpo";
  return basename(file) === "grpo" ? "grpo" : `node ${relative(process.cwd(), file)}`;
}

/** A mistake on the command line. */
export function usageError(message: string, fix?: string): GrpoError {
  return new GrpoError("GRPO_USAGE", message, { exitCode: ExitCode.usage, ...(fix !== undefined && { fix }) });
}

interface Bounds {
  min: number;
  max?: number;
  integer?: boolean;
}

/**
 * A yargs option that takes a number within bounds; anything else is a usage error that names the option and what was given.
 * It is a number for `--help` and a string for the parser, which would turn a word into NaN.
 */
export function numberOption(name: string, describe: string, { min, max = Infinity, integer = false }: Bounds) {
  const coerce = (value: unknown): number => {
    const number = value === "" || Array.isArray(value) ? Number.NaN : Number(value);
    if (!(number >= min && number <= max) || (integer && !Number.isSafeInteger(number))) {
      const range = max === Infinity ? `of at least ${min}` : `from ${min} to ${max}`;
      throw usageError(`--${name} ${String(value)}: expected a ${integer ? "whole number" : "number"} ${range}`);
    }
    return number;
  };
  return { number: true, string: true, requiresArg: true, describe, coerce } as const;
}
