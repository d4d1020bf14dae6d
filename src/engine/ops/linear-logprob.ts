import { loadAddon } from "../../native/load.js";
import type { Graph } from "../graph.js";
import type { Parameter } from "../parameter.js";
import { accumulatorType, type Tensor } from "../tensor.js";

export interface LinearLogprobOptions {
  /** (P) row of `h` of each wanted pair; a row may have any number of pairs. */
  rows: Int32Array;
  /** (P) token id of each wanted pair. */
  ids: Int32Array;
  /** Divides the logits in float32; one for all rows or one per row; positive. 1 leaves their bits alone. */
  temperature: number | Float32Array;
  /** Size of the tokenizer: ids from here on have logit -inf. */
  vocabSize: number;
}

/**
 * Log-probabilities of chosen tokens and the entropy of every row, with the LM head fused in: the logits exist one vocabulary
 * tile at a time, forward and backward. Cross-entropy is this op with d loss / d logp = -weight.
 *
 * @param h (R, C) hidden states
 * @param w panels (V, C)
 * @returns logp (P) and entropy (R) in nats, float32 (float64 for f64); logp of an id >= `vocabSize` is -inf
 * @throws RangeError with code GRPO_SHAPE when sizes, a row, an id or a temperature do not fit
 */
export function linearLogprob(
  g: Graph,
  h: Tensor,
  w: Parameter,
  options: LinearLogprobOptions,
): { logp: Tensor; entropy: Tensor } {
  const { rows, ids, temperature, vocabSize } = options;
  const [count, cols] = h.shape as [number, number];
  const type = accumulatorType(h.dtype);
  const stats = g.empty(type, [count, 2]);
  const logp = g.empty(type, [ids.length]);
  const entropy = g.empty(type, [count]);
  const head = [count, cols, w.shape[0]!, vocabSize, h.handle, w.value.handle, temperature, rows, ids] as const;
  loadAddon().linearLogprob(...head, stats.handle, logp.handle, entropy.handle);
  g.record([logp, entropy], [stats], () => {
    const dlogp = g.gradient(logp);
    const dentropy = g.gradient(entropy);
    if (dlogp === null && dentropy === null) return;
    const dh = g.inputGradient(h);
    w.addRows(h, g.last, (...dw) =>
      loadAddon().linearLogprobBackward(
        ...head,
        stats.handle,
        entropy.handle,
        dlogp?.handle ?? null,
        dentropy?.handle ?? null,
        dh.tensor.handle,
        dh.accumulate,
        ...dw,
      ),
    );
  });
  return { logp, entropy };
}
