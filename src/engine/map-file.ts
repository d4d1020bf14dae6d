import { loadAddon } from "../native/load.js";

/**
 * The bytes of a file, mapped into memory: read from disk only where they are touched.
 *
 * @throws Error with code GRPO_FILE and the system's message
 */
export function mapFile(path: string): ArrayBuffer {
  return loadAddon().mapFile(path);
}
