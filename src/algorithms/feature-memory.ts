import { addOuter, type Matrix, quadratic, ridgeInverse } from "./ridge-inverse.js";

/** What is known of a prompt: inverse covariance of its uncentred features, their mean and number. */
export interface FeatureMemory {
  inverse: Matrix;
  mean: Float64Array;
  count: number;
}

/** A memory without features. */
export function emptyMemory(size: number, lambda: number): FeatureMemory {
  return { inverse: ridgeInverse(size, lambda), mean: new Float64Array(size), count: 0 };
}

/**
 * Bonus against all that was ever seen of a prompt, this visit included: (z - mu)^T (Sigma - c mu mu^T)^-1 (z - mu).
 * Adds the features to `memory`.
 */
export function persistentBonus(features: readonly (Float64Array | null)[], memory: FeatureMemory): number[] {
  for (const z of features) {
    if (z === null) continue;
    addOuter(memory.inverse, z);
    memory.count += 1;
    memory.mean.forEach((value, c) => {
      memory.mean[c] = value + (z[c]! - value) / memory.count;
    });
  }
  if (memory.count === 0) return features.map(() => 0);
  const adjusted = memory.inverse.slice();
  addOuter(adjusted, memory.mean, -memory.count);
  return features.map((z) =>
    quadratic(
      adjusted,
      memory.mean.map((value, c) => (z?.[c] ?? 0) - value),
    ),
  );
}

/** Memories by prompt as plain JSON. */
export function saveMemories(memories: ReadonlyMap<string, FeatureMemory>): unknown {
  return [...memories].map(([id, { inverse, mean, count }]) => [id, [...inverse], [...mean], count]);
}

/** The memories of {@link saveMemories}. */
export function loadMemories(state: unknown): Map<string, FeatureMemory> {
  return new Map(
    (state as [string, number[], number[], number][]).map(([id, inverse, mean, count]) => [
      id,
      { inverse: Float64Array.from(inverse), mean: Float64Array.from(mean), count },
    ]),
  );
}
