/**
 * Weighted sum of reward components per sample, summed in the order of `weights`.
 *
 * @param components values by name, one per sample; null = not applicable
 * @returns one total per sample; NaN where no component applies
 */
export function totalReward(
  components: Readonly<Record<string, readonly (number | null)[]>>,
  weights: Readonly<Record<string, number>>,
  count: number,
): Float64Array {
  const total = new Float64Array(count).fill(Number.NaN);
  for (const [name, weight] of Object.entries(weights)) {
    components[name]!.forEach((value, i) => {
      if (value === null) return;
      const term = weight * value;
      total[i] = Number.isNaN(total[i]!) ? term : total[i]! + term;
    });
  }
  return total;
}
