import { accessSync, constants, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { ExitCode, GrpoError } from "../errors.js";
import { onDisk } from "./disk-error.js";

/** What to do with a run folder that is there already. */
export type ExistingRun = "refuse" | "overwrite" | "resume";

/** The folder of a run and the places in it. */
export interface RunFolder {
  path: string;
  metrics: string;
  rollouts: string;
  checkpoints: string;
  /** The rows of updates that could not be made. */
  dumps: string;
  resolvedConfig: string;
  /** Mean reward of each row at each visit, where the sampler keeps it. */
  accuracyHistory: string;
  report: string;
  log: string;
}

/** The places inside a run folder. */
export function runFolderAt(path: string): RunFolder {
  return {
    path,
    metrics: join(path, "metrics.jsonl"),
    rollouts: join(path, "rollouts"),
    checkpoints: join(path, "checkpoints"),
    dumps: join(path, "dumps"),
    resolvedConfig: join(path, "config.resolved.yaml"),
    accuracyHistory: join(path, "accuracy-history.json"),
    report: join(path, "report.html"),
    log: join(path, "log.txt"),
  };
}

/**
 * Makes the run folder, or opens the one that is there to resume it. `overwrite` moves an old one to NAME.old-N.
 *
 * @throws GrpoError GRPO_RUN_EXISTS (exit 3) for an existing folder and `refuse`; GRPO_RUN_MISSING (exit 4) for none and
 *   `resume`; GRPO_DISK (exit 4) where it cannot be made or written to
 */
export function openRunFolder(path: string, existing: ExistingRun): RunFolder {
  const folder = runFolderAt(resolve(path));
  if (existing === "resume") {
    if (!existsSync(folder.path)) {
      throw new GrpoError("GRPO_RUN_MISSING", `there is no run at ${folder.path} to resume`, {
        exitCode: ExitCode.data,
        fix: "check `run.out_dir` and `run.name`, or start the run without --resume",
      });
    }
  } else if (holdsSomething(folder.path)) {
    if (existing === "refuse") throw runExists(folder.path);
    onDisk(folder.path, () => renameSync(folder.path, asideName(folder.path)));
  }
  onDisk(folder.path, () => {
    mkdirSync(folder.rollouts, { recursive: true });
    mkdirSync(folder.checkpoints, { recursive: true });
    accessSync(folder.path, constants.W_OK);
    accessSync(folder.checkpoints, constants.W_OK);
  });
  return folder;
}

/** The error for a run folder that is there already: exit 3. */
export function runExists(path: string): GrpoError {
  return new GrpoError("GRPO_RUN_EXISTS", `the run folder ${path} is there already`, {
    exitCode: ExitCode.config,
    fix: "continue it with --resume, move it aside with --overwrite, or choose another `run.name`",
  });
}

/** Removes the folder of a run that ended before it recorded anything, so that the next try finds the place free. */
export function discardIfUnused({ path, metrics, rollouts, checkpoints }: RunFolder): void {
  const empty = (folder: string) => !existsSync(folder) || readdirSync(folder).length === 0;
  const unused = empty(rollouts) && empty(checkpoints) && (!existsSync(metrics) || statSync(metrics).size === 0);
  if (unused) rmSync(path, { recursive: true, force: true });
}

/** Whether a path is taken: by a file, or by a folder that is not empty. */
function holdsSomething(path: string): boolean {
  return onDisk(path, () => {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat !== undefined && (!stat.isDirectory() || readdirSync(path).length > 0);
  });
}

function asideName(path: string): string {
  const prefix = `${basename(path)}.old-`;
  const numbers = readdirSync(dirname(path))
    .filter((name) => name.startsWith(prefix))
    .map((name) => Number(name.slice(prefix.length)))
    .filter(Number.isInteger);
  return join(dirname(path), `${prefix}${Math.max(0, ...numbers) + 1}`);
}

/** Name of the folder or file of a step: `step-000010`. */
export function stepName(step: number): string {
  return `step-${String(step).padStart(6, "0")}`;
}

/** The complete checkpoints of a run, oldest first. */
export function listCheckpoints(runDir: string): { step: number; path: string }[] {
  const folder = join(runDir, "checkpoints");
  if (!existsSync(folder)) return [];
  return stepEntries(folder, "").filter(({ path }) => statSync(path).isDirectory());
}

/** The last complete checkpoint of a run, or null. */
export function latestCheckpoint(runDir: string): { step: number; path: string } | null {
  return listCheckpoints(runDir).at(-1) ?? null;
}

/** Removes all but the last `keepLast` checkpoints, those in `keep` (steps) spared. */
export function pruneCheckpoints(runDir: string, keepLast: number, keep: readonly number[] = []): void {
  const checkpoints = listCheckpoints(runDir);
  for (const { step, path } of checkpoints.slice(0, Math.max(0, checkpoints.length - keepLast))) {
    if (!keep.includes(step)) onDisk(path, () => rmSync(path, { recursive: true }));
  }
}

/** Cuts a run back to a step: removes the rollouts, checkpoints and dumps of later steps and what a crash left half written. */
export function cutRunFolder(runDir: string, step: number): void {
  const { rollouts, checkpoints, dumps } = runFolderAt(runDir);
  for (const [folder, extension] of [
    [rollouts, ".arrow"],
    [checkpoints, ""],
    [dumps, ".json"],
  ] as const) {
    if (!existsSync(folder)) continue;
    const kept = new Set(
      stepEntries(folder, extension)
        .filter((entry) => entry.step <= step)
        .map((entry) => entry.path),
    );
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      if (/^\.?step-/.test(name) && !kept.has(path)) onDisk(path, () => rmSync(path, { recursive: true }));
    }
  }
}

function stepEntries(folder: string, extension: string): { step: number; path: string }[] {
  const pattern = /^step-(\d{6,})(.*)$/;
  return readdirSync(folder)
    .flatMap((name) => {
      const [, step, rest] = name.match(pattern) ?? [];
      return step === undefined || rest !== extension ? [] : [{ step: Number(step), path: join(folder, name) }];
    })
    .sort((a, b) => a.step - b.step);
}
