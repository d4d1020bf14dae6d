#!/usr/bin/env node
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { nearest } from "../config/nearest.js";
import { ExitCode, GrpoError } from "../errors.js";
import { usageError } from "./arguments.js";
import { configCommand } from "./commands/config.js";
import { doctorCommand } from "./commands/doctor.js";
import { eloCommand } from "./commands/elo.js";
import { evalCommand } from "./commands/eval.js";
import { exportCommand } from "./commands/export.js";
import { generateCommand } from "./commands/generate.js";
import { listsCommand } from "./commands/lists.js";
import { recipesCommand } from "./commands/recipes.js";
import { trainCommand } from "./commands/train.js";

function parser(args: string[]) {
  const instance = yargs(args);
  return instance
    .scriptName("grpo")
    .usage("$0 <command>\n\nTrains language models with Group Relative Policy Optimization.")
    .command(trainCommand)
    .command(evalCommand)
    .command(eloCommand)
    .command(exportCommand)
    .command(generateCommand)
    .command(listsCommand)
    .command(recipesCommand)
    .command(configCommand)
    .command(doctorCommand)
    .demandCommand(1, "name a command; `grpo --help` lists them")
    .recommendCommands()
    .strict()
    .wrap(Math.min(110, process.stdout.columns ?? 110))
    .exitProcess(false)
    .fail((message: string | null, error: Error | undefined) => {
      // yargs wraps what its own checks and our coercions throw in an error of its own.
      if (error !== undefined && error.name !== "YError") throw error;
      const text = error?.message ?? message ?? "unknown command";
      throw usageError(text, suggestOption(text, instance as unknown as Known));
    });
}

/** What yargs knows of its options, by name; public in the library's JavaScript, not in its types. */
interface Known {
  getOptions(): { key: Record<string, unknown> };
}

function suggestOption(message: string, instance: Known): string | undefined {
  const unknown = /^Unknown arguments?: ([\w-]+)/.exec(message)?.[1];
  const like = unknown === undefined ? undefined : nearest(unknown, Object.keys(instance.getOptions().key));
  return like === undefined ? undefined : `did you mean --${like}?`;
}

/** Prints an error for the user: what and the way out, or the whole stack if it is a bug. Returns the exit code. */
function report(error: unknown): number {
  if (error instanceof GrpoError) {
    process.stderr.write(`${error.message}\n${error.fix === undefined ? "" : `  ${error.fix}\n`}`);
    return error.exitCode;
  }
  if (error instanceof Error && error.name === "AbortError") return ExitCode.aborted;
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`${text}\nThis is a bug in grpo; the lines above say where.\n`);
  return ExitCode.failure;
}

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(ExitCode.ok);
  throw error;
});

try {
  await parser(hideBin(process.argv)).parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
