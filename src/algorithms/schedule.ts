import type { ScheduleConfig } from "../config/schema/schedule.js";
import type { StatefulComponent } from "./types.js";

/** Value of a scheduled number after `updates` optimizer updates: from start to end over `steps` of them, then constant. */
export function scheduledValue(schedule: ScheduleConfig, updates: number): number {
  if (typeof schedule === "number") return schedule;
  const { kind, start, end, steps } = schedule;
  if (updates >= steps) return end;
  const progress = updates / steps;
  switch (kind) {
    case "linear":
      return start + (end - start) * progress;
    case "cosine":
      return end + ((start - end) * (1 + Math.cos(Math.PI * progress))) / 2;
    case "switch":
      return start;
  }
}

/** Counts the optimizer updates that scheduled numbers run on; the base of parts that have some. */
export class UpdateCount implements StatefulComponent {
  protected updates = 0;

  constructor(readonly stateName: string) {}

  observe(): void {
    this.updates += 1;
  }

  saveState(): number {
    return this.updates;
  }

  loadState(state: unknown): void {
    this.updates = state as number;
  }
}
