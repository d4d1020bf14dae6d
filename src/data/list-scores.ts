/** 1 / sqrt(position in the teacher's list) per item of the teacher, 0 for items it does not list. */
export function teacherWeights(order: readonly number[], items: number): Float64Array {
  const weights = new Float64Array(items);
  order.forEach((item, place) => {
    weights[item] = 1 / Math.sqrt(place + 1);
  });
  return weights;
}

/** Remap: s_v = sum_u p_u (similarity_uv + match_uv) + lambda context_v (ConvRec-R1, arXiv 2510.20150, section 4.1). */
export function remapScores(
  weights: Float64Array,
  similarity: readonly (readonly number[])[],
  exactMatch: readonly (readonly number[])[],
  context: readonly number[],
  lambda: number,
): Float64Array {
  return Float64Array.from(context, (score, v) =>
    weights.reduce((sum, p, u) => sum + p * (similarity[u]![v]! + exactMatch[u]![v]!), lambda * score),
  );
}

/** Reflect: s + gamma x the teacher's rating in -2 .. 2. */
export function reflectScores(scores: Float64Array, ratings: readonly number[], gamma: number): Float64Array {
  return scores.map((score, v) => score + gamma * ratings[v]!);
}

/** Adjust: w s + b per item of the catalog. */
export function adjustScores(scores: Float64Array, w: ArrayLike<number>, b: ArrayLike<number>): Float64Array {
  return scores.map((score, v) => w[v]! * score + b[v]!);
}

/**
 * What `fitAdjustment` minimises, of one dialogue: -sum log softmax(s)[positives] + regularisation (|w - 1|^2 + |b|^2). A number to
 * check the fit by; the fit itself needs the gradient alone.
 */
export function adjustLoss(
  scores: Float64Array,
  positives: readonly number[],
  w: ArrayLike<number>,
  b: ArrayLike<number>,
  regularisation: number,
): number {
  const top = Math.max(...scores);
  const norm = top + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - top), 0));
  const fit = positives.reduce((sum, v) => sum + norm - scores[v]!, 0);
  const size = Array.from(w).reduce((sum, value, v) => sum + (value - 1) ** 2 + b[v]! ** 2, 0);
  return fit + regularisation * size;
}

/** The `count` best items, best first; ties in order of index. */
export function topItems(scores: Float64Array, count: number): number[] {
  return Array.from(scores, (_, v) => v)
    .sort((x, y) => scores[y]! - scores[x]! || x - y)
    .slice(0, count);
}
