import { loadAddon } from "../native/load.js";
import type { Tensor } from "./tensor.js";

/** Fills an f32 tensor with normal numbers of mean 0; element i depends on the key and i alone. */
export function fillNormal(tensor: Tensor, standardDeviation: number, key: readonly [number, number]): void {
  loadAddon().fillNormal(tensor.handle, standardDeviation, key[0] >>> 0, key[1] >>> 0);
}
