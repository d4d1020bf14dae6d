import { closeSync, existsSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { onDisk } from "./disk-error.js";

/**
 * Writes a file so that readers see the old content or the new, never a part, even after a crash.
 *
 * @throws GrpoError GRPO_DISK (exit 4) where the disk refuses
 */
export function writeAtomic(path: string, data: string | Uint8Array): void {
  const temporary = `${path}.tmp-${process.pid}`;
  onDisk(path, () => {
    try {
      writeFileSync(temporary, data);
      syncPath(temporary);
      renameSync(temporary, path);
    } catch (cause) {
      rmSync(temporary, { force: true });
      throw cause;
    }
    syncPath(dirname(path));
  });
}

/**
 * Publishes a folder that was written under a temporary name beside its final place: it appears whole or not at all. A
 * folder that is there already is replaced.
 *
 * @throws GrpoError GRPO_DISK (exit 4) where the disk refuses
 */
export function publishDir(temporary: string, final: string): void {
  onDisk(final, () => {
    syncTree(temporary);
    const replaced = `${final}.replaced-${process.pid}`;
    if (existsSync(final)) renameSync(final, replaced);
    renameSync(temporary, final);
    syncPath(dirname(final));
    rmSync(replaced, { recursive: true, force: true });
  });
}

function syncTree(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) syncTree(path);
    else if (entry.isFile()) syncPath(path);
  }
  syncPath(folder);
}

function syncPath(path: string): void {
  // Windows cannot open a folder for this; there the rename alone must do.
  if (process.platform === "win32") return;
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
