/**
 * What algorithms see: rows of float64 arrays over the actions of a response. A row is an episode; an action is whatever
 * has a log-prob. Nothing here knows tokens, models or tensors, so every function can be checked by hand.
 */

import { ExitCode, GrpoError } from "../errors.js";

/** One episode of a batch, as rewards, advantages and objectives see it. Arrays run over its `length` actions. */
export interface Row {
  length: number;
  /** Index of the group in the batch; rows of one group are contiguous and in sample order. */
  group: number;
  /** 1 where the action is trained. */
  mask: Uint8Array;
  /** Total reward of the episode after reward transforms; NaN when no component applied. */
  reward: number;
  /** Rewards of single actions that add to `reward` (a KL penalty, dense rewards); absent = all zero. */
  actionRewards?: Float64Array;
  /** Reward components by name (before weights); `null` = not applicable. Per-step, span or token units are arrays. */
  components: Record<string, { unit: "episode" | "step" | "span" | "token"; values: Float64Array } | null>;
  role: "train" | "baseline" | "probe";
  /** Multiplies the row's loss. 1 unless a recipe says otherwise. */
  weight: number;
  /** Whether the row ended by itself (an end token or a stop string) rather than by a limit. */
  terminated: boolean;
  spans: Record<string, Int32Array>;
  steps: {
    start: number;
    end: number;
    reward?: number;
    anchor?: string;
    valid?: boolean;
    meta: Record<string, unknown>;
  }[];
  trajectory: number;
  /** The data row of the task. */
  record: Record<string, unknown>;
  /** Token ids of the actions. */
  tokens: Int32Array;
  text: string;
  /** The text that each action adds; together they are the whole response. Present only if some part needs it. */
  pieces?: readonly string[];
  /** Final answer found in the text, null where there is none. Present only if some part needs it. */
  answer?: string | null;
  /** Log-prob under the policy that sampled the row, as stored at sampling; NaN on forced actions. */
  rollout?: Float64Array;
  /** Log-prob under the policy at the start of the optimisation phase. */
  old?: Float64Array;
  /** Log-prob under the reference model. Present only if some part needs it. */
  reference?: Float64Array;
  /** Log-prob under the teacher model. Present only if some part needs it. */
  teacher?: Float64Array;
  /** Other tokens in the place of each action: ids and the teacher's log-probs, (length, width) row-major; -1 and NaN = none. */
  alternatives?: { width: number; ids: Int32Array; teacher: Float64Array };
  /** Entropy in nats under the sampling policy. */
  entropy?: Float64Array;
  /** Value head's output at the start of the optimisation phase, and the returns it is fitted to. */
  value?: Float64Array;
  returns?: Float64Array;
  /** Mean over the response of the last hidden states of a model slot (C). */
  hidden?: Float64Array;
  /** Mean log-prob of the response's tokens under that model; NaN for none. */
  hiddenLogprob?: number;
  advantage?: Float64Array;
  /** Log-prob under the policy after the updates of the step. Present only if some part needs it, and only then. */
  updated?: Float64Array;
  /** Constant factors of the policy loss of single actions (importance weights, decay); terms such as KL are not scaled. */
  actionWeights?: Float64Array;
}

/** What the current policy says of a row in a forward pass. */
export interface Current {
  logp: Float64Array;
  entropy?: Float64Array;
  value?: Float64Array;
  /** Log-probs of the row's alternatives, in their order. */
  alternatives?: Float64Array;
}

/** Gradients of the loss with respect to what the current policy said. */
export interface RowGradient {
  dlogp: Float64Array;
  dentropy?: Float64Array;
  dvalue?: Float64Array;
  dalternatives?: Float64Array;
}

/** A metric as it is gathered: a mean over what was counted, an extreme, or values whose quantiles are wanted. */
export type Metric = { sum: number; count: number } | { min: number } | { max: number } | { values: number[] };

/**
 * What the rows of a minibatch add up to. One tally runs through all micro-batches, row by row in order, so that the sums
 * are the same chain whatever the cut.
 */
export interface Tally extends MetricLog {
  loss: number;
}

/** Where parts record what they saw. */
export interface MetricLog {
  metrics: Record<string, Metric>;
}

/** What the trainer must annotate before a part can run. */
export interface Needs {
  /** `sampled` numbers serve as `old` while they are exact; otherwise a no-grad pass computes it. */
  old?: boolean;
  /** Log-probs under the sampling policy as stored at sampling. */
  rollout?: boolean;
  /** Model slots whose log-probs are wanted, in `row.reference` and `row.teacher`. */
  reference?: string;
  teacher?: string;
  /** The k likeliest tokens in the place of each action, of the policy that rolled out or of the teacher, in `row.alternatives`. */
  alternatives?: { k: number; of: "policy" | "teacher" };
  /** Entropy of the sampling policy on every action, in `row.entropy`. */
  sampledEntropy?: boolean;
  /** Entropy of the current policy in the training forward. */
  entropy?: boolean;
  value?: boolean;
  /** The text of each action, in `row.pieces`. */
  pieces?: boolean;
  /** A greedy completion per group, with role `baseline`. */
  greedyBaseline?: boolean;
  /** Model slot whose mean hidden states are wanted, in `row.hidden`. */
  hidden?: string;
  /** The final answer in each row's text, in `row.answer`. */
  answer?: boolean;
  /** Log-probs under the policy after the updates of the step, in `row.updated`, for `review`. */
  updated?: boolean;
}

/**
 * Union of what several parts need.
 *
 * @throws GrpoError GRPO_CONFIG (exit code 3) when two parts name different models for one role
 */
export function mergeNeeds(parts: readonly { readonly needs: Needs }[]): Needs {
  const merged: Needs = {};
  for (const { needs } of parts) {
    for (const role of ["reference", "teacher", "hidden"] as const) {
      const [before, name] = [merged[role], needs[role]];
      if (before === undefined || name === undefined || before === name) continue;
      throw new GrpoError("GRPO_CONFIG", `two parts ask for a ${role} model each: "${before}" and "${name}"`, {
        exitCode: ExitCode.config,
        fix: "name one slot of `models` in both, or give them stages of their own",
      });
    }
    const [before, own] = [merged.alternatives, needs.alternatives];
    if (before !== undefined && own !== undefined && (before.k !== own.k || before.of !== own.of)) {
      throw new GrpoError("GRPO_CONFIG", "two parts ask for other `top_tokens`", {
        exitCode: ExitCode.config,
        fix: "give both the same `k` and `of`",
      });
    }
    Object.assign(merged, needs);
  }
  return merged;
}

/**
 * Counts behind the normalisers. `prepare` takes them from the rows it is given; a trainer that holds only a share of the
 * minibatch (several processes) passes the counts of the whole.
 */
export interface Counts {
  /** Rows that are trained. */
  rows: number;
  /** Rows with at least one trained action. */
  filledRows: number;
  /** Trained actions. */
  actions: number;
}

/**
 * An objective: pure float64 functions. `prepare` sees the whole minibatch before any backward and fixes every normaliser
 * and group statistic; `rows` then evaluates any subset of rows, so that the cut into micro-batches never matters.
 */
export interface Objective<State = unknown> {
  readonly needs: Needs;
  /** When true, `prepare` is given the current log-probs of the whole minibatch from a no-grad pass. */
  readonly prepass: boolean;
  /** Parts that keep state between steps. */
  readonly stateful: readonly StatefulComponent[];
  prepare(rows: readonly Row[], current: readonly Current[] | null, counts?: Partial<Counts>): State;
  /**
   * Gradients of the rows `indices` (into the minibatch given to `prepare`); their loss and metrics are added to `tally`.
   * @param current one entry per index
   * @returns one entry per index
   */
  rows(indices: readonly number[], current: readonly Current[], state: State, tally: Tally): RowGradient[];
}

/** Independent streams of random words, one per part that draws some. */
export const RandomStream = { balance: 0, projection: 1, bundle: 2 } as const;

/** A uniform 32-bit word: a pure function of the run's seed, the step, one of {@link RandomStream}, and two indices. */
export type RandomWords = (stream: number, group: number, index: number) => number;

/** Advantages of a whole batch: one array per row over its actions; NaN where a row carries no signal. */
export interface AdvantageEstimator {
  readonly needs: Needs;
  /** Parts that keep state between steps. */
  readonly stateful?: readonly StatefulComponent[];
  estimate(rows: readonly Row[], log?: MetricLog, random?: RandomWords): Float64Array[];
}

/** A step after the estimator: weights, bonuses, whitening. Receives and returns one array per row; keeps NaN as it is. */
export interface AdvantageTransform {
  readonly needs: Needs;
  apply(rows: readonly Row[], advantages: Float64Array[], log?: MetricLog): Float64Array[];
}

/** A transform of rewards before advantages (overlong punishment, length shaping, unlikeliness, ...): edits the rows. */
export interface RewardShaper {
  readonly needs: Needs;
  shape(rows: Row[], log?: MetricLog, random?: RandomWords): void;
  /** Called after the updates of the step, to record what they did to the rows. */
  review?(rows: readonly Row[], log: MetricLog): void;
}

/** State a method keeps between steps. Declared here, it is in the checkpoint and survives resume byte for byte. */
export interface StatefulComponent {
  readonly stateName: string;
  saveState(): unknown;
  loadState(state: unknown): void;
  /** Called once after each optimizer step with the metrics of its minibatch and how many rows it had. */
  observe?(metrics: Readonly<Record<string, number>>, rows: number): void;
}

/** Those of the parts that keep state. */
export function statefulParts(parts: readonly object[]): StatefulComponent[] {
  return parts.filter((part): part is StatefulComponent => "stateName" in part);
}
