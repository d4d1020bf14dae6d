import { loadAddon } from "../../native/load.js";
import { Tensor } from "../tensor.js";

/**
 * target = source, two tensors of one type and size.
 *
 * @throws RangeError with code GRPO_SHAPE when types differ or `source` is smaller
 */
export function copyTensor(target: Tensor, source: Tensor): void {
  loadAddon().tensorCopy(target.handle, 0, source.handle, 0, target.size);
}

/**
 * Copies `source` (n, C) over rows `first`... of `target` (M, C).
 *
 * @throws RangeError with code GRPO_SHAPE when types differ or the rows lie outside `target`
 */
export function writeRows(target: Tensor, first: number, source: Tensor): void {
  loadAddon().tensorCopy(target.handle, first * target.shape[1]!, source.handle, 0, source.size);
}

/**
 * Rows `first`... of `source` (M, C) as a new tensor (count, C) that belongs to the caller.
 *
 * @throws RangeError with code GRPO_SHAPE when the rows lie outside `source`
 */
export function copyOfRows(source: Tensor, first: number, count: number): Tensor {
  const columns = source.shape[1]!;
  const rows = new Tensor(source.dtype, [count, columns]);
  loadAddon().tensorCopy(rows.handle, 0, source.handle, first * columns, rows.size);
  return rows;
}
