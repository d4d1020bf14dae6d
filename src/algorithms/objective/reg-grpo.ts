import type { ObjectiveConfig } from "../../config/schema/objective.js";
import { responseLogRatio } from "../ratio.js";
import { rowAdvantage, trainedGroups } from "../rows.js";
import { addMean } from "../tally.js";
import type { Current, Needs, Objective, Row, RowGradient, Tally } from "../types.js";
import { maskedSum, maskSum } from "./aggregation.js";
import { type GroupRecord, groupRecord, recordGroup, regressGroup } from "./group-regression.js";
import { type KlLoss, klLoss } from "./kl-loss.js";

export type RegGrpoConfig = Extract<ObjectiveConfig, { kind: "reg_grpo" }>;

/** Per row of the minibatch: its part of the regression loss and what it hands to its log-probs. */
interface RegState {
  rows: readonly Row[];
  loss: Float64Array;
  /** d loss / d rho of the row. */
  drho: Float64Array;
  rho: Float64Array;
  predicted: Float64Array;
  /** Weight of the row: 1 / (groups x rows of its group). */
  share: Float64Array;
  /** What is recorded of a group, by its first row. */
  groups: Map<number, GroupRecord>;
}

/**
 * Reg-GRPO (arXiv 2506.07464): the group-normalised log-ratio rho of each response is fitted to its advantage by
 * {@link regressGroup}, plus beta KL,
 *   loss = mean_groups mean_i ( (A_i - z_i)^2 + beta mean_t kl_it )
 * Group statistics come from a pass over the whole minibatch, so micro-batches may cut through groups.
 */
export class RegGrpo implements Objective<RegState> {
  readonly needs: Needs;
  readonly prepass = true;
  readonly stateful;
  readonly #config: RegGrpoConfig;
  readonly #kl: KlLoss | null;

  constructor(config: RegGrpoConfig) {
    this.#config = config;
    this.#kl = klLoss(config.kl);
    this.stateful = this.#kl?.stateful ?? [];
    this.needs = { old: true, ...this.#kl?.needs };
  }

  prepare(rows: readonly Row[], current: readonly Current[] | null): RegState {
    if (current === null) throw new Error("reg_grpo needs the log-probs of the whole minibatch");
    const { rho: reduction, sigma_smooth, detach_std, skip_zero_variance } = this.#config;
    const array = () => new Float64Array(rows.length);
    const state: RegState = {
      rows,
      loss: array(),
      drho: array(),
      rho: Float64Array.from(rows, (row, i) => responseLogRatio(row, current[i]!.logp, reduction)),
      predicted: array(),
      share: array(),
      groups: new Map(),
    };
    const groups = trainedGroups(rows);
    for (const members of groups) {
      const target = members.map((i) => rowAdvantage(rows[i]!));
      const rho = members.map((i) => state.rho[i]!);
      const fit = regressGroup(target, rho, sigma_smooth, detach_std);
      const skip = skip_zero_variance && target.every((value) => value === 0);
      state.groups.set(members[0]!, groupRecord(target, rho));
      members.forEach((i, k) => {
        state.share[i] = rows[i]!.weight / (groups.length * members.length);
        state.predicted[i] = fit.predicted[k]!;
        if (skip) return;
        state.loss[i] = fit.loss[k]! * state.share[i]!;
        state.drho[i] = (fit.drho[k]! * rows[i]!.weight) / groups.length;
      });
    }
    return state;
  }

  rows(indices: readonly number[], current: readonly Current[], state: RegState, tally: Tally): RowGradient[] {
    return indices.map((index, i) => this.#row(index, current[i]!, state, tally));
  }

  #row(index: number, { logp, entropy }: Current, state: RegState, tally: Tally): RowGradient {
    const row = state.rows[index]!;
    const share = state.share[index]!;
    const trained = Math.max(maskSum(row.mask), 1);
    const drho = this.#config.rho === "mean" ? state.drho[index]! / trained : state.drho[index]!;
    const dlogp = Float64Array.from(row.mask, (on) => (on === 1 ? drho : 0));
    tally.loss += state.loss[index]!;
    if (this.#kl !== null) {
      const beta = (this.#kl.coefficient * share) / trained;
      const sum = this.#kl.add(row, row.mask, logp, beta, dlogp);
      tally.loss += beta * sum;
      addMean(tally, "kl/mean", sum / trained, 1);
    }
    if (share > 0) addMean(tally, "reg/loss", state.loss[index]! / share, 1);
    recordGroup(state.groups.get(index), tally);
    if (entropy !== undefined) addMean(tally, "entropy/mean", maskedSum(entropy, row.mask), maskSum(row.mask));
    return { dlogp };
  }
}
