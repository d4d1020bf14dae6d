import { loadAddon } from "../../native/load.js";
import type { Graph } from "../graph.js";
import type { Parameter } from "../parameter.js";
import type { Products } from "../products.js";
import { Tensor } from "../tensor.js";
import { addInPlace } from "./add.js";

export interface LinearOptions {
  /** Vector (N), added to the float32 sum. */
  bias?: Parameter;
  /** (M, N) in the model's type, added after the bias, before the one rounding. */
  residual?: Tensor;
  /** Called in place of the product. */
  products?: Products | undefined;
  /** Stores the result as float32 in a bf16 model too (logits). Not with `residual`. */
  float32?: boolean;
}

/**
 * y = x W^T + bias + residual, rounded once. Each element is one float32 chain over K, so that a row does not depend on
 * how many others there are.
 *
 * @param x (M, K)
 * @param w (N, K) in panels
 * @returns y (M, N), owned by `g`
 * @throws RangeError with code GRPO_SHAPE when sizes or types do not fit
 */
export function linear(g: Graph, x: Tensor, w: Parameter, options: LinearOptions = {}): Tensor {
  const addon = loadAddon();
  const [out, columns] = matrixShape(w);
  const { bias, residual, products } = options;
  if (options.float32 && residual) throw new RangeError("linear: float32 and residual exclude each other");
  const rows = x.size / columns;
  const y = g.empty(options.float32 && x.dtype === "bf16" ? "f32" : x.dtype, [rows, out]);
  const multiply = () =>
    addon.linearForward(
      rows,
      out,
      columns,
      x.handle,
      w.value.handle,
      bias === undefined ? null : bias.value.handle,
      residual === undefined ? null : residual.handle,
      y.handle,
    );
  if (products === undefined) multiply();
  else products(y, multiply);
  g.record([y], [], () => {
    const gradient = g.gradient(y);
    if (gradient === null) return;
    // The gradient of float32 logits enters the bf16 products rounded.
    const dy = gradient.dtype === x.dtype ? gradient : converted(gradient, x);
    const { tensor: dx, accumulate } = g.inputGradient(x);
    addon.linearInputGradient(rows, out, columns, dy.handle, w.value.handle, dx.handle, accumulate);
    w.addRows(x, g.last, (...dw) => addon.linearWeightGradient(rows, out, columns, x.handle, dy.handle, ...dw));
    if (bias !== undefined) addon.linearBiasGradient(rows, out, dy.handle, bias.gradTensor().handle);
    if (dy !== gradient) dy.dispose();
    if (residual !== undefined && !g.moveGradient(y, residual)) addInPlace(g.inputGradient(residual).tensor, gradient);
  });
  return y;
}

/** (N, K) of a parameter in panels. */
function matrixShape(w: Parameter): [number, number] {
  if (w.layout !== "panels") throw new RangeError(`linear: ${w.name} is not in panels`);
  return [w.shape[0]!, w.shape[1]!];
}

function converted(gradient: Tensor, like: Tensor): Tensor {
  const out = new Tensor(like.dtype, gradient.shape);
  loadAddon().tensorConvert(out.handle, 0, out.size, gradient.handle);
  return out;
}
