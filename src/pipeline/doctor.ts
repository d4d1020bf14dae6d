import { readFileSync } from "node:fs";
import os from "node:os";
import { fileURLToPath } from "node:url";
import { engineInfo } from "../engine/engine-info.js";
import { GrpoError } from "../errors.js";

/** What this machine offers and whether the program is whole, as lines `name: value`. */
export function diagnose(): { lines: string[]; healthy: boolean } {
  const manifest = fileURLToPath(new URL("../../../package.json", import.meta.url));
  const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string };
  const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  const lines = [
    `grpo: ${version}`,
    `node: ${process.version}`,
    `system: ${os.type()} ${os.release()}, ${process.arch}`,
    `processor: ${os.cpus()[0]?.model.trim() ?? "unknown"}, ${os.availableParallelism()} cores`,
    `memory: ${gib(os.totalmem())}, ${gib(os.freemem())} free`,
  ];
  try {
    const { isa, threads } = engineInfo();
    return { lines: [...lines, `kernels: ${isa}, ${threads} threads`], healthy: true };
  } catch (error) {
    if (!(error instanceof GrpoError)) throw error;
    return { lines: [...lines, `kernels: ${error.message.split("\n")[0]}`, `  ${error.fix}`], healthy: false };
  }
}
