import { loadAddon } from "../../native/load.js";
import type { Tensor } from "../tensor.js";

/**
 * target += weight (source - target), element by element: a step of an exponential moving average.
 *
 * @param low the other halves of a bf16 target's float32 masters, 2 bytes per element: keeps what a bf16 alone would round away
 */
export function moveTowards(target: Tensor, source: Tensor, weight: number, low: Tensor | null = null): void {
  loadAddon().blend(target.handle, source.handle, weight, low?.handle ?? null);
}

/**
 * A moving average of weights after step `step`: slot = decay slot + (1 - decay) source at every `every`th step.
 *
 * @param low per tensor of the slot, see {@link moveTowards}; none for float32 weights
 */
export function advanceAverage(
  { decay, every }: { decay: number; every: number },
  step: number,
  slot: readonly Tensor[],
  source: readonly Tensor[],
  low: readonly Tensor[] = [],
): void {
  if (step % every !== 0) return;
  for (const [i, target] of slot.entries()) moveTowards(target, source[i]!, 1 - decay, low[i]);
}

/** Euclidean distance of two lists of tensors, pairwise of one size and type; float64, the same for any number of threads. */
export function distance(a: readonly Tensor[], b: readonly Tensor[]): number {
  const addon = loadAddon();
  return Math.sqrt(a.reduce((sum, tensor, i) => sum + addon.squareDistance(tensor.handle, b[i]!.handle), 0));
}
