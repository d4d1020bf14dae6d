import type { TermConfig } from "../../config/schema/terms.js";
import { runSums, runsOf } from "../runs.js";
import { searchCount } from "../search-count.js";
import { mean } from "../statistics.js";
import { taggedTokens } from "../tagged-tokens.js";
import { addMean, addMin } from "../tally.js";
import type { Current, Row, Tally } from "../types.js";
import { maskedSum, maskSum } from "./aggregation.js";
import type { Minibatch, Term } from "./term.js";

type PreserveConfig = Extract<TermConfig, { kind: "likelihood_preserve" }>;

interface PreserveState extends Minibatch {
  /** 1 / trained actions of the minibatch. */
  share: number;
  answerCoefficient: number;
}

/**
 * LLDS, against the decay of likelihoods that collapses GRPO with tools. With D = old - logp on the actions of advantage >= 0,
 *   loss += sum_it lambda_it open_c(t) max(0, D_it) / sum m,   open_c = 1[ sum_{t in c} D_t > 0 ]
 * where c is a run of such actions between two tool outputs (gate `action`), the row (`response`) or the action itself (`token`).
 * The gates are constants.
 *
 * @param searches mean number of searches per row, which scales the answer's coefficient when it is adaptive
 */
export function likelihoodPreserve(config: PreserveConfig, searches = meanSearches): Term<PreserveState> {
  return {
    needs: { old: true, pieces: true },
    prepare: (minibatch) => {
      const { rows, masks, counts } = minibatch;
      const actions = counts.actions ?? masks.reduce((sum, mask) => sum + maskSum(mask), 0);
      const factor = config.adaptive ? Math.max(searches(rows) - 1, 0) : 1;
      const answerCoefficient = (config.answer_coefficient ?? config.coefficient) * factor;
      return { ...minibatch, share: 1 / Math.max(actions, 1), answerCoefficient };
    },
    add(index, current, state, gradient, tally) {
      const row = state.rows[index]!;
      const mask = state.masks[index]!;
      const { delta, penalties, open } = preservationPenalties(row, mask, current.logp, config);
      const coefficients = preservationCoefficients(row, config.coefficient, state.answerCoefficient);
      let sum = 0;
      for (let t = 0; t < row.length; t++) {
        if (mask[t] !== 1 || penalties[t] === 0) continue;
        sum += coefficients[t]! * penalties[t]!;
        gradient.dlogp[t]! -= coefficients[t]! * state.share;
      }
      addMean(tally, "llds/loss", sum, maskSum(mask));
      addMean(tally, "llds/open_gates", open, 1);
      record(row, mask, current, delta, tally);
      return state.share * sum;
    },
  };
}

/** The drift old - logp of a row, its positive part where the action's gate is open, and the number of open gates. */
export function preservationPenalties(
  { old = Float64Array.of(), advantage }: Row,
  mask: Uint8Array,
  logp: Float64Array,
  { gate, only_non_negative }: Pick<PreserveConfig, "gate" | "only_non_negative">,
): { delta: Float64Array; penalties: Float64Array; open: number } {
  const delta = logp.map((value, t) => (old[t] ?? value) - value);
  const side = mask.map((_, t) => (!only_non_negative || advantage![t]! >= 0 ? 1 : 0));
  const keep = mask.map((on, t) => on * side[t]!);
  const whole = (on: number, t: number) => (on === 0 ? -1 : gate === "response" ? 0 : t);
  const runs = gate === "action" ? runsOf(keep).runs : Int32Array.from(side, whole);
  const kept = delta.map((D, t) => (keep[t] === 1 ? D : 0));
  const sums = runSums(kept, runs, delta.length);
  const penalties = delta.map((D, t) => (runs[t]! >= 0 && sums[runs[t]!]! > 0 ? Math.max(0, D) : 0));
  return { delta, penalties, open: sums.filter((sum) => sum > 0).length };
}

/** Coefficient of each action: that of the answer on the span `answer`, or the last tagged answer, where it is smaller. */
export function preservationCoefficients(row: Row, coefficient: number, answerCoefficient: number): Float64Array {
  const answer = answerOf(row);
  const least = Math.min(answerCoefficient, coefficient);
  return Float64Array.from({ length: row.length }, (_, t) => ((answer?.[t] ?? -1) >= 0 ? least : coefficient));
}

const answerOf = ({ spans, pieces }: Row) => spans.answer ?? (pieces && taggedTokens(pieces, "answer"));

const meanSearches = (rows: readonly Row[]) => mean(rows.map(({ text }) => searchCount(text)));

/** Drift and likelihood by the advantage's sign: they show a collapse before the reward does. */
function record(row: Row, mask: Uint8Array, { logp }: Current, delta: Float64Array, tally: Tally): void {
  for (const sign of ["positive", "negative"]) {
    const side = mask.map((on, t) => (row.advantage![t]! >= 0 === (sign === "positive") ? on : 0));
    addMean(tally, `llds/delta_${sign}`, maskedSum(delta, side), maskSum(side));
    if (row.old !== undefined) addMean(tally, `llds/old_${sign}`, maskedSum(row.old, side), maskSum(side));
    if (row.reference === undefined) continue;
    addMean(tally, `llds/reference_${sign}`, maskedSum(row.reference, side), maskSum(side));
  }
  answerOf(row)?.forEach((id, t) => {
    if (id >= 0 && mask[t] === 1) addMin(tally, "llds/answer_probability_min", Math.exp(logp[t]!));
  });
  addMean(tally, "llds/searches", searchCount(row.text), 1);
  addMean(tally, "llds/valid_actions", row.steps.filter(({ valid }) => valid === true).length, 1);
}
