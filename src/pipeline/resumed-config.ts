import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { nearest } from "../config/nearest.js";
import { ExitCode, GrpoError } from "../errors.js";
import { runFolderAt } from "../report/run-folder.js";

/**
 * The configuration that a run folder was started with, for `--resume FOLDER` alone.
 *
 * @throws GrpoError GRPO_RUN_MISSING (exit 4) when there is no folder at `path`, or it is no run's
 */
export function resumedConfig(path: string): string {
  if (isRun(path)) return runFolderAt(path).resolvedConfig;
  const fail = (message: string, fix: string) =>
    new GrpoError("GRPO_RUN_MISSING", message, { exitCode: ExitCode.data, fix });
  if (!existsSync(path)) {
    const like = runLike(path);
    const fix = like === null ? "give the folder of a run, such as runs/NAME" : `did you mean ${like}?`;
    throw fail(`there is no run at ${path} to resume`, fix);
  }
  // Somebody may name a checkpoint of the run instead of the run.
  const run = resolve(path, "../..");
  const fix = isRun(run)
    ? `did you mean ${relative(process.cwd(), run) || "."}?`
    : "give the folder of a run, such as runs/NAME, or --config FILE as well";
  throw fail(`${path} is no run folder: it holds no config.resolved.yaml`, fix);
}

/** A run beside `path` whose name is nearly the same. */
function runLike(path: string): string | null {
  const folder = dirname(resolve(path));
  const runs = existsSync(folder) ? readdirSync(folder).filter((name) => isRun(join(folder, name))) : [];
  const like = nearest(basename(path), runs);
  return like === undefined ? null : join(dirname(path), like);
}

function isRun(path: string): boolean {
  return existsSync(runFolderAt(path).resolvedConfig);
}
