import { sigmoid } from "./bradley-terry.js";

/** What a multi-label reward model learns from: N pooled texts with K labels each. */
export interface LabelBatch {
  /** (N, C), row-major */
  pooled: Float64Array;
  /** (N, K), row-major, scaled to [0, 1] */
  targets: Float64Array;
  /** (N, K): 1 where the label is known */
  known: Uint8Array;
}

/** What turns a head's output into a prediction. */
export type Activation = "linear" | "sigmoid";

/** Linear head (K, C) with bias (K). */
export interface LabelHead {
  weight: Float64Array;
  bias: Float64Array;
  activation: Activation;
}

/**
 * Masked regression of K labels: s = f(W h + b), L = sum over known (n, k) of (s_nk - y_nk)^2 / their number (multi-objective
 * GRPO, arXiv 2503.21819, section 3).
 *
 * The whole of it in float64, to be checked; a reward_model stage runs the head in the engine and takes {@link labelLoss} per label.
 *
 * @returns predictions (N, K), the loss, and its gradients with respect to W, b and h; all 0 where no label is known
 */
export function multiLabelRegression({ pooled, targets, known }: LabelBatch, { weight, bias, activation }: LabelHead) {
  const labels = bias.length;
  const width = weight.length / labels;
  const count = Math.max(
    known.reduce((sum, on) => sum + on, 0),
    1,
  );
  const predictions = new Float64Array(targets.length);
  const dweight = new Float64Array(weight.length);
  const dbias = new Float64Array(labels);
  const dpooled = new Float64Array(pooled.length);
  let loss = 0;
  for (let i = 0; i < targets.length; i++) {
    const k = i % labels;
    const h = ((i - k) / labels) * width;
    let z = bias[k]!;
    for (let c = 0; c < width; c++) z += weight[k * width + c]! * pooled[h + c]!;
    const label = labelLoss(z, targets[i]!, activation);
    predictions[i] = label.prediction;
    if (known[i] !== 1) continue;
    loss += label.loss / count;
    const dz = label.dz / count;
    dbias[k]! += dz;
    for (let c = 0; c < width; c++) {
      dweight[k * width + c]! += dz * pooled[h + c]!;
      dpooled[h + c]! += dz * weight[k * width + c]!;
    }
  }
  return { predictions, loss, dweight, dbias, dpooled };
}

/** One label: s = f(z), (s - y)^2 and its derivative with respect to z. */
export function labelLoss(z: number, target: number, activation: Activation) {
  const prediction = activation === "sigmoid" ? sigmoid(z) : z;
  const error = prediction - target;
  const slope = activation === "sigmoid" ? prediction * (1 - prediction) : 1;
  return { prediction, loss: error ** 2, dz: 2 * error * slope };
}
