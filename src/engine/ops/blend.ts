import { loadAddon } from "../../native/load.js";
import type { Tensor } from "../tensor.js";

/** target += weight (source - target), element by element: a step of an exponential moving average. */
export function moveTowards(target: Tensor, source: Tensor, weight: number): void {
  loadAddon().blend(target.handle, source.handle, weight);
}

/** A moving average of weights after step `step`: slot = decay slot + (1 - decay) source at every `every`th step. */
export function advanceAverage(
  { decay, every }: { decay: number; every: number },
  step: number,
  slot: readonly Tensor[],
  source: readonly Tensor[],
): void {
  if (step % every !== 0) return;
  for (const [i, target] of slot.entries()) moveTowards(target, source[i]!, 1 - decay);
}
