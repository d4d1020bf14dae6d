import { addMean } from "../tally.js";
import type { Current, Row, RowGradient, Tally } from "../types.js";

/**
 * Reverse KL of policy and teacher at action t, over the row's alternatives a alone:
 *   sum_a p_a (log p_a - log q_a),  d / d log p_a = p_a (log p_a - log q_a + 1),  p the policy, q the teacher
 * It is the KL where they are the whole vocabulary, and near it where they hold nearly all of the policy's mass.
 *
 * @param factor multiplies the gradient that is added to `gradient.dalternatives`
 * @returns the sum, and a slope of 0: nothing flows through the action's own log-prob
 */
export function topKl(
  { length, alternatives }: Row,
  current: Current,
  t: number,
  factor: number,
  gradient: RowGradient,
  tally: Tally,
): { value: number; slope: number } {
  if (alternatives === undefined || current.alternatives === undefined) throw new Error("no log-probs of alternatives");
  const { width, teacher } = alternatives;
  gradient.dalternatives ??= new Float64Array(length * width);
  let [value, mass] = [0, 0];
  for (let i = t * width; i < (t + 1) * width; i++) {
    if (alternatives.ids[i]! < 0) continue;
    const logp = current.alternatives[i]!;
    const d = logp - teacher[i]!;
    value += Math.exp(logp) * d;
    mass += Math.exp(logp);
    gradient.dalternatives[i]! += factor * Math.exp(logp) * (d + 1);
  }
  // Near 1 where the sum is near the KL.
  addMean(tally, "distill/top_mass", mass, 1);
  return { value, slope: 0 };
}
