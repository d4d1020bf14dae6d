/** What streaming a layer of `tokens` rows in equal chunks computes and masks, against the whole at once. */
export interface StreamCost {
  /** Elements of the score matrix: of all rows by all rows, and of each chunk by its prefix. */
  scores: { full: number; stream: number };
  /** Rows whose keys are projected when each chunk projects its prefix again (once each with a cache). */
  keyRows: { cached: number; recomputed: number };
  /** Elements of the largest mask. */
  mask: { full: number; stream: number };
}

/**
 * Costs of StreamBP (arXiv 2506.03077, section 3): chunk i of D reads the prefix of i / D of the rows. Like all of this file a
 * formula to plan by: a run takes the chunks it is told (`train.layer_chunk`).
 */
export function streamCost(tokens: number, chunks: number): StreamCost {
  const size = Math.ceil(tokens / chunks);
  const cost: StreamCost = {
    scores: { full: tokens ** 2, stream: 0 },
    keyRows: { cached: tokens, recomputed: 0 },
    mask: { full: tokens ** 2, stream: Math.min(size, tokens) * tokens },
  };
  for (let start = 0; start < tokens; start += size) {
    const end = Math.min(tokens, start + size);
    cost.scores.stream += (end - start) * end;
    cost.keyRows.recomputed += end;
  }
  return cost;
}

/** Scores computed when D equal chunks are streamed, as a share of all: (D + 1) / 2D. */
export function streamedScoreShare(chunks: number): number {
  return (chunks + 1) / (2 * chunks);
}

/** Sizes that decide what a training pass holds, in bytes, elements and rows. */
export interface MemoryModel {
  bytes: number;
  tokens: number;
  vocabulary: number;
  hidden: number;
  intermediate: number;
  layers: number;
  /** Copies of the logits alive at once: themselves, their log-softmax and their gradient. */
  logitCopies: number;
}

/** The memory model of StreamBP in bytes, for `logitRows` and `layerRows` rows at a time. */
export function passMemory(m: MemoryModel, logitRows: number, layerRows: number) {
  return {
    layerInputs: m.bytes * m.tokens * m.hidden * m.layers,
    logits: m.logitCopies * m.bytes * logitRows * m.vocabulary,
    /** Gate, up and their product. */
    mlp: 3 * m.bytes * layerRows * m.intermediate,
  };
}
