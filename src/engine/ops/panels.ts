import { loadAddon } from "../../native/load.js";
import type { Parameter } from "../parameter.js";
import { accumulatorType, Tensor } from "../tensor.js";

/** Numbers that fill rows of a parameter; a Uint16Array holds bf16 bits. */
export type RowSource = Tensor | Float32Array | Float64Array | Uint16Array;

/**
 * Rows `start`... of a parameter of any layout from row-major numbers, converted to its type (bf16 rounds to nearest even).
 *
 * @param rows (count, K), or (count) for a vector; the length gives the count
 * @throws RangeError with code GRPO_SHAPE when the rows do not fit
 */
export function packRows(parameter: Parameter, start: number, rows: RowSource): void {
  const source = rows instanceof Tensor ? rows.handle : rows;
  const length = rows instanceof Tensor ? rows.size : rows.length;
  const columns = parameter.shape[1] ?? 1;
  const { handle } = parameter.value;
  if (parameter.layout === "panels") {
    loadAddon().panelsPack(handle, parameter.shape[0]!, columns, start, length / columns, source);
  } else {
    loadAddon().tensorConvert(handle, start * columns, length, source);
  }
}

/**
 * Rows start .. start+count of a parameter, row-major and in its own type.
 *
 * @returns (count, K), or (count) for a vector; the caller frees it
 * @throws RangeError with code GRPO_SHAPE when there are no such rows
 */
export function unpackRows(parameter: Parameter, start = 0, count = parameter.shape[0]! - start): Tensor {
  return unpack(parameter, parameter.value, start, count);
}

/**
 * Rows start .. start+count of a parameter's gradient, row-major: float32 (float64 for f64); zeros when there is none.
 *
 * @returns (count, K), or (count) for a vector; the caller frees it
 * @throws RangeError with code GRPO_SHAPE when there are no such rows
 */
export function unpackGradient(parameter: Parameter, start = 0, count = parameter.shape[0]! - start): Tensor {
  if (parameter.grad === null) {
    return Tensor.zeros(accumulatorType(parameter.dtype), [count, ...parameter.shape.slice(1)]);
  }
  return unpack(parameter, parameter.grad, start, count);
}

/** `stored`: the value, the gradient or optimizer state of `parameter`, in its layout. */
function unpack(parameter: Parameter, stored: Tensor, start: number, count: number): Tensor {
  const columns = parameter.shape[1] ?? 1;
  const out = new Tensor(stored.dtype, [count, ...parameter.shape.slice(1)]);
  try {
    if (parameter.layout === "panels") {
      loadAddon().panelsUnpack(stored.handle, parameter.shape[0]!, columns, start, count, out.handle);
    } else {
      loadAddon().tensorWrite(out.handle, 0, stored.read(start * columns, count * columns));
    }
  } catch (error) {
    out.dispose();
    throw error;
  }
  return out;
}

/**
 * Adds row i of `data` to row ids[i] of a gradient in panels, i ascending: the embedding's share of a tied head.
 *
 * @param gradient panels of `shape`, f32 or f64
 * @param shape (N, K) of the matrix
 * @param data at least ids.length rows of K, same type
 * @throws RangeError with code GRPO_SHAPE when an id or a size does not fit
 */
export function panelsAddRows(gradient: Tensor, shape: readonly number[], ids: Int32Array, data: Tensor): void {
  loadAddon().panelsAddRows(gradient.handle, shape[0]!, shape[1]!, ids, data.handle);
}
