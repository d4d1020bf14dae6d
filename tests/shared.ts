import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** Root of the checkout, from the compiled place of this file (dist/tests/shared.js). */
export const projectRoot = fileURLToPath(new URL("../../", import.meta.url));

/**
 * A path inside the shared data folder (`GRPO_SHARED`, or `shared` beside the checkout), or null where it is absent.
 * Tests that need real models or data skip, visibly, on null.
 */
export function sharedPath(...parts: string[]): string | null {
  const base = process.env.GRPO_SHARED ?? resolve(projectRoot, "../shared");
  const path = join(base, ...parts);
  return existsSync(path) ? path : null;
}
