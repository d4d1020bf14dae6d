import type { ObjectiveConfig, PolicyConfig } from "../../config/schema/objective.js";
import type { TermConfig } from "../../config/schema/terms.js";
import type { Objective } from "../types.js";
import type { AggregationOptions } from "./aggregation.js";
import { cispoRule } from "./cispo.js";
import { clipRule } from "./clip.js";
import { Distill } from "./distill.js";
import { EntropyBonus } from "./entropy-bonus.js";
import { geometricMeanRule } from "./geometric-mean.js";
import { klLoss } from "./kl-loss.js";
import { likelihoodPreserve } from "./likelihood-preserve.js";
import { oldPolicyTerm } from "./old-policy.js";
import { PolicyObjective } from "./policy-objective.js";
import { recRule } from "./rec.js";
import { RegGrpo } from "./reg-grpo.js";
import { reinforceRule } from "./reinforce.js";
import type { PolicyRule } from "./rule.js";
import { sapoRule } from "./sapo.js";
import type { Term } from "./term.js";
import { valueLoss } from "./value-loss.js";
import { vespoRule } from "./vespo.js";

/** What an objective may need to know of the rest of the configuration. */
export interface ObjectiveContext {
  /** Divisor of the `_norm` aggregations where the configuration gives none. */
  maxCompletionTokens: number;
  /** Whether the model of a slot ends its responses with the policy's tokens; without it all do. */
  endsAlike?: (slot: string) => boolean;
}

type OfKind<Config extends { kind: string }, Kind> = Extract<Config, { kind: Kind }>;

/** One line per clip rule; its options are the member of the same kind in the schema. */
const rules: { [Kind in PolicyConfig["kind"]]: (config: OfKind<PolicyConfig, Kind>) => PolicyRule } = {
  clip: clipRule,
  cispo: cispoRule,
  sapo: sapoRule,
  geometric_mean: geometricMeanRule,
  vespo: vespoRule,
  rec: recRule,
  reinforce: reinforceRule,
};

/** One line per objective that is no composition of those parts. */
const others: {
  [Kind in Exclude<ObjectiveConfig, PolicyConfig>["kind"]]: (config: OfKind<ObjectiveConfig, Kind>) => Objective;
} = {
  reg_grpo: (config) => new RegGrpo(config) as Objective,
};

interface TermContext extends ObjectiveContext {
  aggregation: AggregationOptions;
}

/** One line per additive term. */
const terms: {
  [Kind in TermConfig["kind"]]: (config: OfKind<TermConfig, Kind>, context: TermContext) => Term;
} = {
  entropy: (config) => new EntropyBonus(config) as Term,
  distill: (config, { endsAlike }) => new Distill(config, endsAlike?.(config.model)) as Term,
  likelihood_preserve: (config) => likelihoodPreserve(config) as Term,
  old_policy: (config) => oldPolicyTerm(config) as Term,
  value: (config, { aggregation }) => valueLoss({ ...config, aggregation }) as Term,
};

/** The objective a configuration asks for. */
export function makeObjective(config: ObjectiveConfig, context: ObjectiveContext): Objective {
  if (!("aggregation" in config)) return others[config.kind](config);
  const aggregation: AggregationOptions = {
    aggregation: config.aggregation,
    constant: config.constant ?? context.maxCompletionTokens,
    empty_rows: config.empty_rows,
  };
  const rule = rules[config.kind] as (config: PolicyConfig) => PolicyRule;
  return new PolicyObjective({
    ...config,
    level: "level" in config ? config.level : "token",
    ratio:
      "ratio" in config
        ? { mean: config.ratio === "geometric_mean", logRatioCap: config.log_ratio_cap ?? Number.POSITIVE_INFINITY }
        : {},
    straightThrough: "straight_through" in config && config.straight_through,
    rule: rule(config),
    aggregation,
    kl: klLoss(config.kl),
    terms: config.terms.map((term) => {
      const factory = terms[term.kind] as (config: TermConfig, context: TermContext) => Term;
      return factory(term, { ...context, aggregation });
    }),
  }) as Objective;
}
