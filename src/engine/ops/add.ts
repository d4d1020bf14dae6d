import { loadAddon } from "../../native/load.js";
import type { Tensor } from "../tensor.js";

/**
 * target = round(target + source), element by element.
 *
 * @param target any shape, f32, bf16 or f64; overwritten
 * @param source as many elements of the same type
 * @throws RangeError with code GRPO_SHAPE when lengths or types differ
 */
export function addInPlace(target: Tensor, source: Tensor): void {
  loadAddon().addInPlace(target.handle, source.handle);
}
