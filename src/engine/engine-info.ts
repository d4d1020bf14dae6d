import { loadAddon } from "../native/load.js";

/** Instruction set that the kernels were chosen for, and how many threads they use. Throws GRPO_ADDON_MISSING. */
export function engineInfo(): { isa: string; threads: number } {
  return loadAddon().engineInfo();
}

/** Sets how many threads kernels may use. Results do not depend on it. */
export function setThreads(threads: number): void {
  loadAddon().setThreads(threads);
}

/** Native memory in tensors: live, and the most since {@link resetMemoryPeak}. */
export function memoryStats(): { liveTensors: number; liveBytes: number; peakBytes: number; cachedBytes: number } {
  return loadAddon().memoryStats();
}

export function resetMemoryPeak(): void {
  loadAddon().resetPeak();
}
