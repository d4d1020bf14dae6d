import { loadAddon } from "../native/load.js";
import { panelsAddRows } from "./ops/panels.js";
import type { Parameter } from "./parameter.js";

/**
 * Adds the gradient of embedding rows to the dense gradient, once per minibatch and in order of first appearance. A table
 * without such rows is left as it is.
 */
export function foldRowGrad(parameter: Parameter): void {
  const rows = parameter.rowGrad;
  if (rows === null) return;
  const grad = parameter.gradTensor();
  if (parameter.layout === "panels") panelsAddRows(grad, parameter.shape, rows.ids(), rows.data);
  else loadAddon().embeddingBackward(rows.columns, rows.ids(), rows.data.handle, grad.handle);
  rows.dispose();
  parameter.rowGrad = null;
}

/**
 * Euclidean norm of all gradients together, in float64: chunks of 4096 elements of a parameter in order, then the
 * parameters in order, so that it does not depend on threads. Parameters without a gradient count as zero.
 */
export function gradNorm(parameters: readonly Parameter[]): number {
  const addon = loadAddon();
  let sum = 0;
  for (const parameter of parameters) {
    foldRowGrad(parameter);
    if (parameter.grad !== null) sum += addon.squareSum(parameter.grad.handle);
  }
  return Math.sqrt(sum);
}
