import { addOuter, quadratic, ridgeInverse } from "./ridge-inverse.js";
import { mean, standardDeviation } from "./statistics.js";

/** How a bonus is measured: within all of the group, or against the others of it. */
export type BonusType = "leverage" | "leave_one_out";

/** Mean of vectors of one length. */
export function meanVector(vectors: readonly Float64Array[]): Float64Array {
  return vectors[0]!.map((_, c) => vectors.reduce((sum, z) => sum + z[c]!, 0) / vectors.length);
}

/**
 * Elliptical bonus of each member of a group (RepExp, arXiv 2510.11686, eq. 3), after centring, Sigma = lambda I + sum z z^T:
 *   leverage l_i = z_i^T Sigma^-1 z_i;  leave_one_out z_i^T (Sigma - z_i z_i^T)^-1 z_i = l_i / (1 - l_i)
 *
 * @param features (k) per member; null = an empty response: 0, and left out of the mean
 */
export function ellipticalBonus(features: readonly (Float64Array | null)[], lambda: number, type: BonusType): number[] {
  const present = features.filter((z) => z !== null);
  if (present.length === 0) return features.map(() => 0);
  const center = meanVector(present);
  const inverse = ridgeInverse(center.length, lambda);
  const centred = features.map((z) => (z === null ? center.map((value) => -value) : z.map((v, c) => v - center[c]!)));
  for (const z of centred) addOuter(inverse, z);
  const leverages = centred.map((z) => quadratic(inverse, z));
  return type === "leverage" ? leverages : leverages.map((l) => l / (1 - l));
}

/** `rnd`: over the sample deviation; `z_score`: centred as well. A deviation of 0 (or of one value) divides nothing. */
export function normalizeBonus(bonus: readonly number[], normalize: "none" | "rnd" | "z_score"): number[] {
  if (normalize === "none") return [...bonus];
  const std = standardDeviation(bonus, "sample");
  const center = normalize === "z_score" ? mean(bonus) : 0;
  return bonus.map((value) => (value - center) / (std > 0 ? std : 1));
}

/** Whether a response keeps its bonus, by how many of its group are right. */
export interface BonusGate {
  /** No bonus in groups without a right response, with right ones only, or with some of both. */
  none_correct: boolean;
  all_correct: boolean;
  some_correct: boolean;
  /** No bonus on wrong responses. */
  wrong: boolean;
}

/** Which members of a group keep their bonus, given their rewards of 0 or 1 (the released gates). */
export function bonusGate(extrinsic: readonly number[], gate: BonusGate): boolean[] {
  const right = extrinsic.reduce((sum, reward) => sum + reward, 0);
  const none = right === 0;
  const all = right === extrinsic.length;
  const off = (gate.none_correct && none) || (gate.all_correct && all) || (gate.some_correct && !none && !all);
  return extrinsic.map((reward) => !off && !(gate.wrong && reward === 0));
}

/** alpha r + beta b. */
export function shapedReward(
  extrinsic: number,
  bonus: number,
  { alpha, beta }: { alpha: number; beta: number },
): number {
  return alpha * extrinsic + beta * bonus;
}
