import { basename } from "node:path";
import { ExitCode, GrpoError } from "../errors.js";

/**
 * A mistake in a data file, told with its place.
 *
 * @param path the file; only its last part is printed
 * @param row number of the row or line, counted from 1, or null where the whole file is meant
 */
export function dataError(path: string, row: number | null, what: string, fix: string, cause?: unknown): GrpoError {
  const place = row === null ? basename(path) : `${basename(path)}:${row}`;
  return new GrpoError("GRPO_DATA", `${place}: ${what}`, { exitCode: ExitCode.data, fix, cause });
}
