import { gatherRows } from "../engine/ops/gather-rows.js";
import { linear } from "../engine/ops/linear.js";
import { rmsNorm } from "../engine/ops/rms-norm.js";
import { rotary } from "../engine/ops/rotary.js";
import { swiglu } from "../engine/ops/swiglu.js";
import type { Parameter } from "../engine/parameter.js";
import type { Products } from "../engine/products.js";
import type { LayerHalves } from "../engine/stream.js";
import type { Tensor } from "../engine/tensor.js";
import type { ModelConfig } from "./config.js";

/** Parameters of one layer; projections that read the same rows are fused. */
export interface DecoderLayer {
  inputNorm: Parameter;
  qkv: Parameter;
  qkvBias: Parameter | undefined;
  qNorm: Parameter | undefined;
  kNorm: Parameter | undefined;
  output: Parameter;
  outputBias: Parameter | undefined;
  postNorm: Parameter;
  gateUp: Parameter;
  gateUpBias: Parameter | undefined;
  down: Parameter;
  downBias: Parameter | undefined;
}

/**
 * A layer before and after its attention, in the order of the forward pass: norm, q, k and v, rotary positions; then output
 * projection, residual, norm, SwiGLU, residual.
 *
 * @param rope (positions, headDim) cosines and sines, as `ropeTable` makes them
 * @param products called in place of the four matrix products
 */
export function layerHalves(
  p: DecoderLayer,
  { heads, kvHeads, headDim, rmsNormEps }: Pick<ModelConfig, "heads" | "kvHeads" | "headDim" | "rmsNormEps">,
  rope: Tensor,
  products?: Products,
): LayerHalves {
  return {
    project: (g, x, positions) => {
      const normed = rmsNorm(g, x, p.inputNorm, rmsNormEps);
      const projected = linear(g, normed, p.qkv, { bias: p.qkvBias, products });
      g.done(normed);
      const qkv = rotary(g, projected, {
        positions,
        table: rope,
        heads,
        kvHeads,
        headDim,
        qNorm: p.qNorm,
        kNorm: p.kNorm,
        epsilon: rmsNormEps,
      });
      if (qkv !== projected) g.done(projected);
      return qkv;
    },
    finish: (g, x, attended, rows) => {
      const residual = rows === undefined ? x : gatherRows(g, x, rows);
      if (residual !== x) g.done(x);
      const mixed = linear(g, attended, p.output, { bias: p.outputBias, residual, products });
      g.done(attended);
      g.done(residual);

      const normed = rmsNorm(g, mixed, p.postNorm, rmsNormEps);
      const gateUp = linear(g, normed, p.gateUp, { bias: p.gateUpBias, products });
      g.done(normed);
      const activated = swiglu(g, gateUp);
      g.done(gateUp);
      const out = linear(g, activated, p.down, { bias: p.downBias, residual: mixed, products });
      g.done(activated);
      g.done(mixed);
      return out;
    },
  };
}
