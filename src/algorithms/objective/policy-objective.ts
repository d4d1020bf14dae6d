import type { PolicyConfig } from "../../config/schema/objective.js";
import {
  type SegmentRatioOptions,
  type SegmentRatios,
  segmentRatio,
  segmentRatioBackward,
} from "../../engine/ops/segment-ratio.js";
import { type RatioLevel, segmentsOf } from "../ratio.js";
import { addMax, addMean, addMin } from "../tally.js";
import {
  type Counts,
  type Current,
  mergeNeeds,
  type Needs,
  type Objective,
  type Row,
  type RowGradient,
  type StatefulComponent,
  statefulParts,
  type Tally,
} from "../types.js";
import { type AggregationOptions, maskedSum, maskSum, rowCoefficients } from "./aggregation.js";
import type { KlLoss } from "./kl-loss.js";
import { rejectionMasks } from "./rejection.js";
import { rolloutWeights } from "./rollout-correction.js";
import type { PolicyRule, RuleOutput } from "./rule.js";
import type { Minibatch, Term } from "./term.js";
import { highEntropyMasks, isOnPolicy } from "./token-masks.js";

/** The parts of a policy objective; any level goes with any rule, aggregation and terms. */
export interface PolicyParts
  extends Pick<PolicyConfig, "rollout_correction" | "rejection" | "off_policy_mask" | "entropy_mask"> {
  /** Weight of the policy loss; KL and terms have their own. */
  coefficient: number;
  level: RatioLevel;
  ratio: SegmentRatioOptions;
  /** Ratio of the unit in value, of the action in gradient. */
  straightThrough: boolean;
  rule: PolicyRule;
  aggregation: AggregationOptions;
  /** The KL term in the loss, or null. */
  kl: KlLoss | null;
  terms: readonly Term[];
}

/** Everything fixed before the first backward of a minibatch. */
interface PolicyState extends Minibatch {
  segments: Int32Array[];
  weights: (Float64Array | null)[];
  klCoefficient: number;
  terms: unknown[];
}

/**
 * The family of clipped policy gradients:
 *   loss = sum_i c_i sum_t m_it ( C w_it rule(s_it, A_it) + beta kl_it ) + terms
 * with C the coefficient, c_i from the aggregation, s the ratio of the action's unit, w the product of rollout correction, off-policy and
 * entropy masks. Pure float64; gradients by hand.
 */
export class PolicyObjective implements Objective<PolicyState> {
  readonly needs: Needs;
  readonly prepass = false;
  readonly stateful: readonly StatefulComponent[];
  readonly #parts: PolicyParts;

  constructor(parts: PolicyParts) {
    this.#parts = parts;
    const own: Needs = { old: true };
    if (parts.rollout_correction !== null || parts.rejection.length > 0 || parts.off_policy_mask !== null) {
      own.rollout = true;
    }
    if (parts.entropy_mask !== null) own.sampledEntropy = true;
    const kl = parts.kl === null ? [] : [parts.kl];
    this.needs = mergeNeeds([{ needs: own }, ...kl, ...parts.terms]);
    this.stateful = [...(parts.kl?.stateful ?? []), ...statefulParts(parts.terms)];
  }

  prepare(rows: readonly Row[], current: readonly Current[] | null, counts: Partial<Counts> = {}): PolicyState {
    const { level, aggregation, rollout_correction, rejection, entropy_mask, kl } = this.#parts;
    const masks = rejection.length === 0 ? rows.map((row) => row.mask) : rejectionMasks(rows, rejection);
    const policyMasks =
      entropy_mask === null ? masks : highEntropyMasks(rows.map(sampledEntropy), masks, 1 - entropy_mask.keep);
    const coefficients = rowCoefficients(masks, aggregation, counts);
    rows.forEach((row, i) => {
      coefficients[i] = coefficients[i]! * row.weight;
    });
    const minibatch: Minibatch = { rows, masks, policyMasks, coefficients, counts, current };
    return {
      ...minibatch,
      segments: rows.map((row) => segmentsOf(row, level)),
      weights: actionWeights(rows, rollout_correction),
      klCoefficient: kl?.coefficient ?? 0,
      terms: this.#parts.terms.map((term) => term.prepare(minibatch)),
    };
  }

  rows(indices: readonly number[], current: readonly Current[], state: PolicyState, tally: Tally): RowGradient[] {
    return indices.map((index, i) => this.#row(index, current[i]!, state, tally));
  }

  #row(index: number, current: Current, state: PolicyState, tally: Tally): RowGradient {
    const { rule, straightThrough, kl, terms } = this.#parts;
    const row = state.rows[index]!;
    const mask = state.masks[index]!;
    const segments = state.segments[index]!;
    const { logp } = current;
    const old = row.old ?? logp;
    const advantage = this.#advantage(index, current, state);

    const { ratios, slope } = this.#ratios(logp, old, advantage, mask, segments);
    const { ratio } = ratios;
    // What an action counts in metrics about ratios.
    const share = straightThrough ? ratio.map(() => 1) : ratios.count.map((count) => (count === 0 ? 0 : 1 / count));
    const weight = state.weights[index]!;
    const out: RuleOutput = {
      loss: new Float64Array(row.length),
      dratio: new Float64Array(row.length),
      dlogp: new Float64Array(row.length),
      clipped: new Int8Array(row.length),
    };
    rule.evaluate({ mask, logp, old, ratio, advantage, weight, share }, out, tally);

    const factor = this.#factors(index, logp, advantage, state);
    const coefficient = state.coefficients[index]!;
    const policy = coefficient * this.#parts.coefficient;
    const { dratio, dlogp } = out;
    let loss = 0;
    let policyLoss = 0;
    for (let t = 0; t < row.length; t++) {
      if (mask[t] !== 1) continue;
      const scale = policy * factor[t]!;
      policyLoss += factor[t]! * out.loss[t]!;
      loss += scale * out.loss[t]!;
      dratio[t] = scale * dratio[t]!;
      dlogp[t] = scale * dlogp[t]!;
    }
    if (kl !== null) {
      const beta = coefficient * state.klCoefficient;
      const sum = kl.add(row, mask, logp, beta, dlogp, { ratio, dratio });
      loss += beta * sum;
      addMean(tally, "kl/mean", sum, maskSum(mask));
    }
    const cap = this.#parts.ratio.logRatioCap ?? Number.POSITIVE_INFINITY;
    const through = straightThrough
      ? dratio.map((value, t) => (ratios.logRatio[t]! < cap ? value * ratio[t]! : 0))
      : segmentRatioBackward(dratio, ratios, mask, segments, this.#parts.ratio);
    for (let t = 0; t < row.length; t++) dlogp[t]! += through[t]! * slope[t]!;

    const gradient: RowGradient = { dlogp };
    terms.forEach((term, k) => {
      loss += term.add(index, current, state.terms[k], gradient, tally);
    });
    tally.loss += loss;
    addMean(tally, "policy/loss", policyLoss, maskSum(mask));
    this.#record(row, current, old, mask, ratio, share, out, tally);
    if (this.#parts.rollout_correction !== null) recordWeights(weight!, mask, tally);
    return gradient;
  }

  /** The row's advantages as the terms change them. */
  #advantage(index: number, current: Current, state: PolicyState): Float64Array {
    const { advantage } = state.rows[index]!;
    if (advantage === undefined) throw new Error("the row has no advantages");
    return this.#parts.terms.reduce(
      (values, term, k) => term.advantage?.(index, current, state.terms[k], values) ?? values,
      advantage,
    );
  }

  /** Ratio of each action's unit, and the slope of the log-ratio where the rule bounds it. */
  #ratios(
    logp: Float64Array,
    old: Float64Array,
    advantage: Float64Array,
    mask: Uint8Array,
    segments: Int32Array,
  ): { ratios: SegmentRatios; slope: Float64Array } {
    const { rule, ratio } = this.#parts;
    const slope = new Float64Array(logp.length).fill(1);
    if (rule.boundLogRatio === undefined) return { ratios: segmentRatio(logp, old, mask, segments, ratio), slope };
    const bounded = new Float64Array(logp.length);
    for (let t = 0; t < logp.length; t++) {
      const bound = rule.boundLogRatio(logp[t]! - old[t]!, advantage[t]!);
      bounded[t] = bound.value;
      slope[t] = bound.slope;
    }
    return { ratios: segmentRatio(bounded, new Float64Array(logp.length), mask, segments, ratio), slope };
  }

  /** Constant factors of the rule's loss: rollout correction, entropy mask, off-policy mask. */
  #factors(index: number, logp: Float64Array, advantage: Float64Array, state: PolicyState): Float64Array {
    const { off_policy_mask, entropy_mask, rule } = this.#parts;
    const row = state.rows[index]!;
    const weights = rule.usesWeight ? null : state.weights[index]!;
    const factor = weights === null ? new Float64Array(row.length).fill(1) : weights.slice();
    if (entropy_mask !== null) {
      const kept = state.policyMasks[index]!;
      for (let t = 0; t < row.length; t++) factor[t] = factor[t]! * kept[t]!;
    }
    if (off_policy_mask !== null) {
      const sampling = row.rollout ?? row.old ?? logp;
      if (!isOnPolicy(sampling, logp, state.masks[index]!, off_policy_mask.threshold)) {
        for (let t = 0; t < row.length; t++) if (advantage[t]! < 0) factor[t] = 0;
      }
    }
    return factor;
  }

  #record(
    row: Row,
    current: Current,
    old: Float64Array,
    mask: Uint8Array,
    ratio: Float64Array,
    share: Float64Array,
    out: RuleOutput,
    tally: Tally,
  ): void {
    const { rule, level, straightThrough } = this.#parts;
    const actions = maskSum(mask);
    let drift = 0;
    for (let t = 0; t < row.length; t++) {
      if (mask[t] !== 1) continue;
      drift += old[t]! - current.logp[t]!;
      addMin(tally, "ratio/min", ratio[t]!);
      addMax(tally, "ratio/max", ratio[t]!);
    }
    addMean(tally, "ratio/mean", maskedSum(ratio, mask), actions);
    addMean(tally, "kl/old", drift, actions);
    if (current.entropy !== undefined) addMean(tally, "entropy/mean", maskedSum(current.entropy, mask), actions);
    if (rule.clips === null) return;

    let low = 0;
    let high = 0;
    let count = 0;
    for (let t = 0; t < row.length; t++) {
      if (mask[t] !== 1) continue;
      const part = rule.clips === "action" ? 1 : share[t]!;
      if (out.clipped[t] === -1) low += part;
      else if (out.clipped[t] === 1) high += part;
      count += part;
    }
    // A row is one unit of sequence-level ratios even when nothing of it is trained.
    const empty = count === 0 && level === "sequence" && !straightThrough && rule.clips === "unit";
    if (empty) count = 1;
    addMean(tally, "ratio/clip_low", low, count);
    addMean(tally, "ratio/clip_high", high, count);
    addMean(tally, "ratio/clip_region", low + high, count);
    if (count === 0) return;
    addMin(tally, "ratio/clip_low_min", low / count);
    addMax(tally, "ratio/clip_high_max", high / count);
  }
}

/** What the rollout correction makes of the actions. */
function recordWeights(weights: Float64Array, mask: Uint8Array, tally: Tally): void {
  addMean(tally, "rollout/weight_mean", maskedSum(weights, mask), maskSum(mask));
  weights.forEach((weight, t) => {
    if (mask[t] !== 1) return;
    addMin(tally, "rollout/weight_min", weight);
    addMax(tally, "rollout/weight_max", weight);
  });
}

function sampledEntropy(row: Row): Float64Array {
  if (row.entropy === undefined) throw new Error("the entropy mask needs the entropies of sampling");
  return row.entropy;
}

/** The row's own action weights times those of the rollout correction; null where all are 1. */
function actionWeights(rows: readonly Row[], correction: PolicyConfig["rollout_correction"]): (Float64Array | null)[] {
  const masks = rows.map((row) => row.mask);
  const corrections = correction === null ? null : rolloutWeights(rows, masks, correction);
  return rows.map(({ actionWeights: own }, i) => {
    if (corrections === null) return own ?? null;
    return own === undefined ? corrections[i]! : corrections[i]!.map((weight, t) => weight * own[t]!);
  });
}
