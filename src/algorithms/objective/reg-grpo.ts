import type { ObjectiveConfig } from "../../config/schema/objective.js";
import { segmentRatio } from "../../engine/ops/segment-ratio.js";
import { klEstimate } from "../kl.js";
import { KlController } from "../kl-controller.js";
import { segmentsOf } from "../ratio.js";
import { trainedGroups } from "../rows.js";
import { mean, standardDeviation } from "../statistics.js";
import { addMean } from "../tally.js";
import type { Current, Needs, Objective, Row, RowGradient, Tally } from "../types.js";
import { maskedSum, maskSum } from "./aggregation.js";

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
  klCoefficient: number;
}

/**
 * Regression of one group (Park et al. 2025, arXiv 2506.07464, eq. 7 to 9):
 *   z_i = (rho_i - mean rho) / sqrt(var rho + smooth^2),  loss = mean_i (A_i - z_i)^2
 * with the population variance; `detachStd` holds the denominator fixed in the gradient.
 *
 * @returns the loss of each row before the mean, z, and the gradient of the mean with respect to rho
 */
export function regressGroup(
  target: ArrayLike<number>,
  rho: ArrayLike<number>,
  smooth: number,
  detachStd: boolean,
): { loss: Float64Array; predicted: Float64Array; drho: Float64Array } {
  const size = rho.length;
  const center = mean(rho);
  const scale = Math.sqrt(standardDeviation(rho, "population") ** 2 + smooth ** 2);
  const predicted = Float64Array.from(rho, (value) => (scale === 0 ? 0 : (value - center) / scale));
  const loss = predicted.map((z, i) => (target[i]! - z) ** 2);
  const dz = predicted.map((z, i) => (-2 * (target[i]! - z)) / size);
  const meanDz = mean(dz);
  const through = detachStd ? 0 : dz.reduce((sum, g, i) => sum + g * predicted[i]!, 0) / size;
  const drho = dz.map((g, i) => (scale === 0 ? 0 : (g - meanDz - predicted[i]! * through) / scale));
  return { loss, predicted, drho };
}

/**
 * Reg-GRPO: the group-normalised log-ratio of each response is fitted to its advantage, plus beta KL. Group statistics come
 * from a pass over the whole minibatch, so micro-batches may cut through groups.
 */
export class RegGrpo implements Objective<RegState> {
  readonly needs: Needs;
  readonly prepass = true;
  readonly stateful;
  readonly #config: RegGrpoConfig;
  readonly #kl: KlController;

  constructor(config: RegGrpoConfig) {
    this.#config = config;
    this.#kl = new KlController(config.kl);
    this.stateful = config.kl.adaptive === null ? [] : [this.#kl];
    this.needs = { old: true, ...(this.#usesKl ? { reference: config.kl.model } : {}) };
  }

  get #usesKl(): boolean {
    return this.#config.kl.coefficient > 0 && this.#config.kl.placement === "loss";
  }

  prepare(rows: readonly Row[], current: readonly Current[] | null): RegState {
    if (current === null) throw new Error("reg_grpo needs the log-probs of the whole minibatch");
    const { rho: reduction, sigma_smooth, detach_std, skip_zero_variance } = this.#config;
    const array = () => new Float64Array(rows.length);
    const state: RegState = {
      rows,
      loss: array(),
      drho: array(),
      rho: Float64Array.from(rows, (row, i) => logRatio(row, current[i]!.logp, reduction)),
      predicted: array(),
      share: array(),
      klCoefficient: this.#usesKl ? this.#kl.coefficient : 0,
    };
    const groups = trainedGroups(rows);
    for (const members of groups) {
      const target = members.map((i) => advantageOf(rows[i]!));
      const skip = skip_zero_variance && target.every((value) => value === 0);
      const fit = regressGroup(
        target,
        members.map((i) => state.rho[i]!),
        sigma_smooth,
        detach_std,
      );
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
    const { rho: reduction, kl } = this.#config;
    const row = state.rows[index]!;
    const trained = Math.max(maskSum(row.mask), 1);
    const drho = reduction === "mean" ? state.drho[index]! / trained : state.drho[index]!;
    const beta = (state.klCoefficient * state.share[index]!) / trained;
    const dlogp = new Float64Array(row.length);
    let klSum = 0;
    for (let t = 0; t < row.length; t++) {
      if (row.mask[t] !== 1) continue;
      dlogp[t] = drho;
      if (beta === 0) continue;
      const { value, slope } = klEstimate(kl.estimator, logp[t]! - row.reference![t]!, kl.limit);
      klSum += value;
      dlogp[t]! += beta * slope;
    }
    tally.loss += state.loss[index]! + beta * klSum;
    if (state.share[index]! > 0) addMean(tally, "reg/loss", state.loss[index]! / state.share[index]!, 1);
    addMean(tally, "reg/rho_squared", state.rho[index]! ** 2, 1);
    addMean(tally, "reg/advantage_x_predicted", advantageOf(row) * state.predicted[index]!, 1);
    if (entropy !== undefined) addMean(tally, "entropy/mean", maskedSum(entropy, row.mask), maskSum(row.mask));
    if (this.#usesKl) addMean(tally, "kl/mean", klSum / trained, 1);
    return { dlogp };
  }
}

/** rho: the sum over trained actions of logp - old, or their mean. 0 without old log-probs. */
function logRatio(row: Row, logp: Float64Array, reduction: "sum" | "mean"): number {
  const segments = segmentsOf(row, "sequence");
  const ratios = segmentRatio(logp, row.old ?? logp, row.mask, segments, { mean: reduction === "mean" });
  const first = row.mask.indexOf(1);
  return first < 0 ? 0 : ratios.logRatio[first]!;
}

/** The advantage of a row's actions, which reg_grpo takes to be one number per row. */
function advantageOf(row: Row): number {
  if (row.advantage === undefined) throw new Error("the row has no advantages");
  const first = row.mask.indexOf(1);
  return first < 0 ? 0 : row.advantage[first]!;
}
