import { QuantileTracker } from "../quantile-tracker.js";
import { riskOf, type Thresholds } from "../risk.js";
import { type RiskConfig, riskBundle, riskHistory } from "../risk-bundle.js";
import { outcome, spread, trainedGroups } from "../rows.js";
import { addMax, addMean, addValue } from "../tally.js";
import {
  type AdvantageEstimator,
  type MetricLog,
  RandomStream,
  type RandomWords,
  type Row,
  type StatefulComponent,
} from "../types.js";

/** Levels whose quantiles are followed, as released. */
const TRACKED = Array.from({ length: 19 }, (_, i) => (i + 1) / 20);

/**
 * RiskPO: consecutive prompts of the step form bundles, whose summed rewards are judged by mixed value at risk (see
 * {@link riskBundle}) against quantiles tracked over the steps before. A last, smaller bundle is judged by its own
 * quantiles and not tracked: sums of fewer rewards are another distribution.
 */
export class RiskEstimator implements AdvantageEstimator, StatefulComponent {
  readonly needs = {};
  readonly stateName = "risk_mvar";
  readonly stateful = [this];
  readonly #tracker: QuantileTracker;

  constructor(private readonly config: RiskConfig) {
    const levels = [...new Set([...TRACKED, config.alpha, config.beta])].sort((a, b) => a - b);
    const round = config.measure.kind === "released" ? Math.fround : undefined;
    this.#tracker = new QuantileTracker(levels, config.rate, null, round);
  }

  estimate(rows: readonly Row[], log?: MetricLog, random?: RandomWords): Float64Array[] {
    const { bundle_size, permute } = this.config;
    if (permute && random === undefined) throw new Error("risk_mvar pairs responses at random and needs random words");
    const advantages = new Float64Array(rows.length).fill(Number.NaN);
    const prompts = trainedGroups(rows)
      .map((members) => members.filter((i) => !Number.isNaN(outcome(rows[i]!))))
      .filter(({ length }) => length > 0)
      .map((members) => (permute ? shuffled(members, rows[members[0]!]!.group, random!) : members));
    const history = riskHistory(this.#tracker, this.config);
    const seen: number[] = [];
    for (let start = 0; start < prompts.length; start += bundle_size) {
      const bundle = prompts.slice(start, start + bundle_size);
      const whole = bundle.length === bundle_size;
      const result = riskBundle(
        bundle.map((members) => members.map((i) => outcome(rows[i]!))),
        this.config,
        whole ? history : { ...history, thresholds: null },
      );
      bundle.forEach((members, k) => {
        for (const [j, i] of members.entries()) {
          const A = result.advantages[k]![j]!;
          advantages[i] = A;
          if (Number.isNaN(A)) continue;
          addMean(log, "risk/nonzero", A === 0 ? 0 : 1, 1);
          addMax(log, "risk/advantage_max_abs", Math.abs(A));
        }
      });
      if (!whole) continue;
      seen.push(...result.scores);
      this.#record(result.scores, result.thresholds, log);
    }
    this.#tracker.update(seen);
    this.#tracker.values?.forEach((value, k) => {
      addMean(log, `risk/quantile_${this.#tracker.levels[k]!.toFixed(2)}`, value, 1);
    });
    return spread(rows, advantages);
  }

  #record(scores: readonly number[], thresholds: Thresholds, log: MetricLog | undefined): void {
    const { alpha, beta, measure } = this.config;
    const weight = measure.kind === "paper" ? ((1 + measure.omega) * alpha) / (beta - alpha) : measure.weight;
    for (const [name, value] of Object.entries(riskOf(scores, thresholds, weight)))
      addMean(log, `risk/${name}`, value, 1);
    addMean(log, "risk/q_alpha", thresholds.down, 1);
    addMean(log, "risk/q_beta", thresholds.up, 1);
    for (const score of scores) {
      addMean(log, "risk/score", score, 1);
      addValue(log, "risk/score_spread", score);
    }
  }

  saveState(): unknown {
    return this.#tracker.values;
  }

  loadState(state: unknown): void {
    this.#tracker.values = state as number[] | null;
  }
}

/** The members in the random order in which they join the samples of their bundle. */
function shuffled(members: readonly number[], group: number, random: RandomWords): number[] {
  const words = members.map((i, k) => ({ i, word: random(RandomStream.bundle, group, k) }));
  return words.sort((a, b) => a.word - b.word).map(({ i }) => i);
}
