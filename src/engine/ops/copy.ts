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

/**
 * Rows of `source` (M, C) by index as a new tensor that belongs to the caller.
 *
 * @throws RangeError with code GRPO_SHAPE when a row lies outside `source`
 */
export function pickRows(source: Tensor, rows: Int32Array): Tensor {
  const columns = source.shape[1]!;
  const picked = new Tensor(source.dtype, [rows.length, columns]);
  loadAddon().gatherRows(columns, rows, source.handle, picked.handle);
  return picked;
}

/**
 * `source` (n, C) in rows `rows` of a new tensor shaped like `like`, zeros elsewhere; `source` is freed.
 *
 * @throws RangeError with code GRPO_SHAPE when a row lies outside
 */
export function placeRows(source: Tensor, rows: Int32Array, like: Tensor): Tensor {
  const placed = new Tensor(like.dtype, like.shape);
  loadAddon().gatherRowsBackward(like.shape[1]!, rows, source.handle, placed.handle, false);
  source.dispose();
  return placed;
}
