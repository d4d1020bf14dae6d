/**
 * Bradley-Terry loss of preference pairs: L = -mean_n log sigmoid(s_n - t_n), s = score of the preferred text, t of the
 * rejected one (Posterior-GRPO, arXiv 2508.05170, section 3.1; Christiano et al. 2017, eq. 1).
 *
 * @param preferred (N)
 * @param rejected (N)
 * @returns the loss and its gradients with respect to both scores
 */
export function bradleyTerryLoss(preferred: Float64Array, rejected: Float64Array) {
  const count = Math.max(preferred.length, 1);
  const dpreferred = new Float64Array(preferred.length);
  let loss = 0;
  for (let n = 0; n < preferred.length; n++) {
    const pair = pairLoss(preferred[n]! - rejected[n]!);
    loss += pair.loss / count;
    dpreferred[n] = pair.dmargin / count;
  }
  return { loss, dpreferred, drejected: dpreferred.map((value) => -value) };
}

/** -log sigmoid(margin) of one pair and its derivative, without overflow on either side. */
export function pairLoss(margin: number): { loss: number; dmargin: number } {
  return { loss: Math.max(-margin, 0) + Math.log1p(Math.exp(-Math.abs(margin))), dmargin: -sigmoid(-margin) };
}

/** Share of pairs whose preferred text scores higher; ties are wrong and are counted. */
export function preferenceAccuracy(preferred: ArrayLike<number>, rejected: ArrayLike<number>) {
  let right = 0;
  let ties = 0;
  for (let n = 0; n < preferred.length; n++) {
    if (preferred[n]! > rejected[n]!) right += 1;
    else if (preferred[n] === rejected[n]) ties += 1;
  }
  return { accuracy: right / Math.max(preferred.length, 1), ties };
}

/** How the scores of a group become rewards in [0, 1]; the paper does not say, `sigmoid` is the default. */
export type ScoreMap = "sigmoid" | "minmax_group" | "identity_clip";

/** Rewards of the scores of one group; a score that is no number gives 0. */
export function scoreRewards(scores: ArrayLike<number>, map: ScoreMap): Float64Array {
  const finite = Array.from(scores).filter(Number.isFinite);
  const low = Math.min(...finite);
  const width = Math.max(...finite) - low;
  return Float64Array.from(scores, (score) => {
    if (!Number.isFinite(score)) return 0;
    if (map === "sigmoid") return sigmoid(score);
    if (map === "minmax_group") return width === 0 ? 0 : (score - low) / width;
    return Math.min(Math.max(score, 0), 1);
  });
}

/** 1 / (1 + exp(-x)) without overflow on either side. */
export function sigmoid(x: number): number {
  const e = Math.exp(-Math.abs(x));
  return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}
