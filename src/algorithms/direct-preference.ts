import { bradleyTerryLoss, sigmoid } from "./reward-model/bradley-terry.js";

/** Summed log-ratio to the reference of the two texts of each pair. */
export interface PreferencePairs {
  preferred: Float64Array;
  rejected: Float64Array;
}

/**
 * Direct preference optimisation in two passes: the loss of a pair is no sum over its tokens, but its gradient is one constant per
 * pair, known once a pass without gradient has summed the log-ratios; a second pass may then go token by token.
 *
 *   c = sum_t (lp - ref)(preferred) - sum_t (lp - ref)(rejected)
 *   L = -mean log sigmoid(beta c),  dL/dc = beta (sigmoid(beta c) - 1) / pairs
 *
 * The loss that StreamBP splits into two passes, as a formula to check; no stage trains with it yet.
 * Source: Rafailov et al. 2023 (arXiv 2305.18290), eq. 7; the two passes are those of StreamBP (arXiv 2506.03077).
 *
 * @returns c and `correction` = beta (sigmoid(beta c) - 1) per pair, the loss, and `dlogp`: d loss / d log-prob of each preferred
 *   token of a pair; that of its rejected tokens is the negative
 */
export function directPreference({ preferred, rejected }: PreferencePairs, beta: number) {
  const margins = preferred.map((value, n) => value - rejected[n]!);
  const correction = margins.map((c) => -beta * sigmoid(-beta * c));
  const { loss, dpreferred } = bradleyTerryLoss(
    preferred.map((value) => beta * value),
    rejected.map((value) => beta * value),
  );
  return { margins, correction, loss, dlogp: dpreferred.map((d) => beta * d) };
}

/** Sum over the marked tokens of a text of log-prob minus the reference's. */
export function summedLogRatio(logp: Float64Array, reference: Float64Array, mask: Uint8Array): number {
  let sum = 0;
  for (let t = 0; t < mask.length; t++) if (mask[t] === 1) sum += logp[t]! - reference[t]!;
  return sum;
}
