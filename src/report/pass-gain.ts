/**
 * What raising a success probability p to (1 + epsilon) p adds to pass@N:
 *   (1 - (1 - (1 + epsilon) p)^N) - (1 - (1 - p)^N)
 * Small p gain most at large N (He et al. 2025, arXiv 2506.02355, section 3): why the unlikeliness reward raises pass@N. A formula
 * to reckon with; no run computes it.
 */
export function passGain(p: number, n: number, epsilon: number): number {
  return (1 - p) ** n - (1 - (1 + epsilon) * p) ** n;
}
