import { closeSync, existsSync, openSync, readFileSync, writeSync } from "node:fs";
import { writeAtomic } from "./atomic.js";
import { onDisk } from "./disk-error.js";

/** The record of one step. Numbers that are not finite are written as null. */
export type StepMetrics = Record<string, number | string | null | undefined>;

/** The metrics file of a run: one JSON object per step, appended, readable at any moment. */
export class MetricsLog {
  private file: number;

  /** @throws GrpoError GRPO_DISK (exit 4) where the file cannot be opened */
  constructor(private readonly path: string) {
    this.file = onDisk(path, () => openSync(path, "a"));
  }

  /** Appends the record of a step; keys keep their order, undefined ones are left out. */
  append(metrics: StepMetrics): void {
    onDisk(this.path, () => writeSync(this.file, `${JSON.stringify(metrics)}\n`));
  }

  /** Drops the records after a step, and a last line that a crash left incomplete. The lines that stay keep their bytes. */
  cut(step: number): void {
    closeSync(this.file);
    const lines = readFileSync(this.path, "utf8").split("\n").slice(0, -1);
    const kept = lines.filter((line) => (JSON.parse(line) as { step: number }).step <= step);
    writeAtomic(this.path, kept.map((line) => `${line}\n`).join(""));
    this.file = onDisk(this.path, () => openSync(this.path, "a"));
  }

  close(): void {
    closeSync(this.file);
  }
}

/** The records of a metrics file, without a last line that is incomplete; none where there is no file. */
export function readMetrics(path: string): StepMetrics[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line) as StepMetrics);
}
