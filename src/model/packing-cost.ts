import { pathLength, pathSegments, pathStart, type Segment } from "../tree/segment.js";
import type { ModelConfig } from "./config.js";

/** Cost of a forward pass over whole paths, shared tokens computed once (`packed`) or once per path (`repeated`). */
export interface PackingCost {
  /** Attention: query rows x keys, in units of twice the head width; the halves of causal masks cancel in the ratio. */
  attention: { packed: number; repeated: number };
  /** Everything that acts on tokens one by one, in tokens. */
  tokens: { packed: number; repeated: number };
}

/**
 * What sharing saves on a forest: a segment at positions [a, b) costs b^2 - a^2, a path of n tokens alone n^2.
 * Source: Prefix Grouper (arXiv 2506.05433), equations 15 to 21, for any tree.
 */
export function packingCost(leaves: readonly Segment[]): PackingCost {
  const seen = new Set<Segment>();
  const cost: PackingCost = { attention: { packed: 0, repeated: 0 }, tokens: { packed: 0, repeated: 0 } };
  for (const leaf of leaves) {
    const length = pathLength(leaf);
    cost.attention.repeated += length ** 2;
    cost.tokens.repeated += length;
    for (const { segment } of pathSegments(leaf)) {
      if (seen.has(segment)) continue;
      seen.add(segment);
      cost.attention.packed += pathLength(segment) ** 2 - pathStart(segment) ** 2;
      cost.tokens.packed += segment.tokens.length;
    }
  }
  return cost;
}

/**
 * How many times the arithmetic of a forest its paths cost one by one: products with the weights and, in every layer, those of
 * queries with keys and values. 1 for no paths.
 */
export function predictedSpeedup(
  leaves: readonly Segment[],
  config: Pick<
    ModelConfig,
    "layers" | "hiddenSize" | "intermediateSize" | "heads" | "kvHeads" | "headDim" | "vocabSize"
  >,
): number {
  const { attention, tokens } = packingCost(leaves);
  const { layers, hiddenSize: C, intermediateSize, heads, kvHeads, headDim, vocabSize } = config;
  const weights = layers * C * (2 * (heads + kvHeads) * headDim + 3 * intermediateSize) + C * vocabSize;
  const cost = (form: "packed" | "repeated") => weights * tokens[form] + layers * heads * headDim * attention[form];
  return leaves.length === 0 ? 1 : cost("repeated") / cost("packed");
}
