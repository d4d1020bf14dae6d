import { loadAddon } from "../native/load.js";

/** Instruction set that the kernels were chosen for, and how many threads they use. Throws GRPO_ADDON_MISSING. */
export function engineInfo(): { isa: string; threads: number } {
  return loadAddon().engineInfo();
}
