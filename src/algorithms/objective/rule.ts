import type { Tally } from "../types.js";

/** One row as a clip rule sees it. Arrays run over the row's actions. */
export interface RuleInput {
  mask: Uint8Array;
  logp: Float64Array;
  old: Float64Array;
  /** Importance ratio of the action's unit. */
  ratio: Float64Array;
  advantage: Float64Array;
  /** Rollout-correction weights, or null. */
  weight: Float64Array | null;
  /** What an action counts in metrics: 1, or 1 / the size of its unit. */
  share: Float64Array;
}

/** What a clip rule writes, action by action. Arrays arrive zeroed. */
export interface RuleOutput {
  loss: Float64Array;
  /** d loss / d ratio; the ratio carries it on to logp. */
  dratio: Float64Array;
  /** d loss / d logp beside the ratio. */
  dlogp: Float64Array;
  /** Where the clip acted against the advantage: -1 below, 1 above, else 0. */
  clipped: Int8Array;
}

/** From ratio and advantage to the loss of each action. */
export interface PolicyRule {
  /** Whether the rule puts the rollout-correction weights into its own formula, so that they must not multiply again. */
  readonly usesWeight: boolean;
  /** What `clipped` is a share of: units of the ratio, or actions; null when the rule never sets it. */
  readonly clips: "unit" | "action" | null;
  /**
   * Bounds the log-ratio of an action before its unit's ratio is formed.
   * @returns the bounded value and its slope (0 or 1)
   */
  boundLogRatio?(logRatio: number, advantage: number): { value: number; slope: number };
  /** Fills `out` where the mask is 1; extra metrics go to `tally`. */
  evaluate(input: RuleInput, out: RuleOutput, tally: Tally): void;
}
