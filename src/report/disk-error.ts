import { ExitCode, GrpoError } from "../errors.js";

const causes: Record<string, { what: string; fix: string }> = {
  ENOSPC: { what: "the disk is full", fix: "free some space, then continue the run with --resume" },
  EDQUOT: { what: "the disk quota is used up", fix: "free some space, then continue the run with --resume" },
  EFBIG: { what: "the file would be larger than the limit", fix: "raise the limit with `ulimit -f`" },
  EACCES: { what: "permission denied", fix: "choose another `run.out_dir`, or mend the permissions" },
  EPERM: { what: "operation not permitted", fix: "choose another `run.out_dir`, or mend the permissions" },
  EROFS: { what: "the file system is read-only", fix: "choose another `run.out_dir`" },
  ENOTDIR: { what: "a part of the path is a file, not a folder", fix: "choose another `run.out_dir`" },
  ENAMETOOLONG: { what: "the name is too long", fix: "choose a shorter `run.name`" },
  ENOENT: { what: "there is no such file or folder", fix: "check the path" },
  EMFILE: { what: "too many files are open", fix: "raise the limit with `ulimit -n`" },
  EIO: { what: "the disk reports an input/output error", fix: "check the disk, or choose another `run.out_dir`" },
};

/** The error for a failed file operation on `path`: exit 4 for what the user can mend, else the cause itself. */
export function diskError(path: string, cause: unknown): unknown {
  const known = causes[(cause as NodeJS.ErrnoException | null)?.code ?? ""];
  if (known === undefined) return cause;
  return new GrpoError("GRPO_DISK", `cannot write ${path}: ${known.what}`, {
    exitCode: ExitCode.data,
    fix: known.fix,
    cause,
  });
}

/** Runs a file operation on `path`, translating its failure with {@link diskError}. */
export function onDisk<Result>(path: string, act: () => Result): Result {
  try {
    return act();
  } catch (cause) {
    throw diskError(path, cause);
  }
}
