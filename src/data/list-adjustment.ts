import { adjustScores } from "./list-scores.js";

/** Scores of the catalog for one dialogue, before the adjustment, and the items that were right. */
export interface ScoredDialogue {
  scores: Float64Array;
  positives: readonly number[];
}

/** Learning rate and decays of Adam (arXiv 1412.6980); the function is smooth and the data one batch. */
const RATE = 0.05;
const [DECAY_1, DECAY_2] = [0.9, 0.999];

/**
 * The w and b per item of the catalog that minimise, over all dialogues,
 *   -sum log softmax(w s + b)[positives] + regularisation (|w - 1|^2 + |b|^2)
 * (ConvRec-R1, arXiv 2510.20150, section 4.1), by `steps` steps of Adam from w = 1, b = 0.
 */
export function fitAdjustment(
  dialogues: readonly ScoredDialogue[],
  { regularisation, steps }: { regularisation: number; steps: number },
): { w: Float64Array; b: Float64Array } {
  const items = dialogues[0]?.scores.length ?? 0;
  const w = new Float64Array(items).fill(1);
  const b = new Float64Array(items);
  const moments = [w, b].map(() => ({ first: new Float64Array(items), second: new Float64Array(items) }));
  for (let step = 1; step <= steps; step++) {
    const dw = w.map((value) => 2 * regularisation * (value - 1));
    const db = b.map((value) => 2 * regularisation * value);
    for (const { scores, positives } of dialogues) {
      const ds = scoreGradient(adjustScores(scores, w, b), positives);
      ds.forEach((d, v) => {
        dw[v]! += d * scores[v]!;
        db[v]! += d;
      });
    }
    [dw, db].forEach((gradient, k) => {
      const [values, { first, second }] = [[w, b][k]!, moments[k]!];
      gradient.forEach((d, v) => {
        first[v] = DECAY_1 * first[v]! + (1 - DECAY_1) * d;
        second[v] = DECAY_2 * second[v]! + (1 - DECAY_2) * d * d;
        const root = Math.sqrt(second[v]! / (1 - DECAY_2 ** step)) + 1e-8;
        values[v]! -= (RATE * first[v]!) / (1 - DECAY_1 ** step) / root;
      });
    });
  }
  return { w, b };
}

/** d of -sum log softmax(s)[positives] by s. */
function scoreGradient(scores: Float64Array, positives: readonly number[]): Float64Array {
  const top = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const weights = scores.map((score) => Math.exp(score - top));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const gradient = weights.map((weight) => (positives.length * weight) / total);
  for (const v of positives) gradient[v]! -= 1;
  return gradient;
}
