import { loadAddon } from "../../native/load.js";
import type { Tensor } from "../tensor.js";

/** target += weight (source - target), element by element: a step of an exponential moving average. */
export function moveTowards(target: Tensor, source: Tensor, weight: number): void {
  loadAddon().blend(target.handle, source.handle, weight);
}

/** target = source, two tensors of one type and size. */
export function copyTensor(target: Tensor, source: Tensor): void {
  loadAddon().tensorCopy(target.handle, source.handle);
}
