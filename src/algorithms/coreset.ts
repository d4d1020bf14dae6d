import { addOuter, quadratic, ridgeInverse } from "./ridge-inverse.js";

/**
 * Greedy diverse subset (RepExp, algorithm 1): k times the feature with the largest z^T Lambda z, Lambda = (lambda I + sum of
 * chosen z z^T)^-1; ties go to the lowest index. `grpo eval --coreset` chooses by it.
 *
 * @returns the chosen indices, and the score of each when it was chosen (never increasing)
 */
export function greedyCoreset(features: readonly Float64Array[], k: number, lambda: number) {
  const inverse = ridgeInverse(features[0]?.length ?? 0, lambda);
  const rest = new Set(features.keys());
  const selected: number[] = [];
  const scores: number[] = [];
  while (selected.length < k && rest.size > 0) {
    let best = -1;
    let score = Number.NEGATIVE_INFINITY;
    for (const i of rest) {
      const value = quadratic(inverse, features[i]!);
      if (value > score) [best, score] = [i, value];
    }
    rest.delete(best);
    selected.push(best);
    scores.push(score);
    addOuter(inverse, features[best]!);
  }
  return { selected, scores };
}
