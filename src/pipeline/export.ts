import type { ExportOptions } from "./options.js";

export async function exportCheckpoint(_options: ExportOptions): Promise<void> {
  throw new Error("not landed");
}
