import type { AdvantageConfig, AdvantageTransformConfig } from "../../config/schema/advantage.js";
import { spread } from "../rows.js";
import { type AdvantageEstimator, type AdvantageTransform, mergeNeeds, statefulParts } from "../types.js";
import { reinforcePlusPlusEstimator, remaxEstimator } from "./discounted-returns.js";
import { gaeEstimator } from "./gae.js";
import { gigpoEstimator } from "./gigpo.js";
import { gpgEstimator } from "./gpg.js";
import { groupAdvantages, groupEstimator } from "./group.js";
import { leaveOneOutEstimator } from "./leave-one-out.js";
import { lengthWeightedEstimator } from "./length-weighted.js";
import { listLengthTransform } from "./list-length.js";
import { passAtKEstimator } from "./pass-at-k.js";
import { prefixTreeTransform } from "./prefix-tree.js";
import { processEstimator } from "./process.js";
import { RiskEstimator } from "./risk-mvar.js";
import { semanticEntropyTransform } from "./semantic-entropy.js";
import { softBaselineEstimator } from "./soft-baseline.js";
import { spanGroupEstimator } from "./span-group.js";
import { standardizeTransform } from "./standardize.js";
import { stratifiedEstimator } from "./stratified.js";
import { whitenTransform } from "./whiten.js";

/** What an estimator may need to know of the rest of the configuration. */
export interface AdvantageContext {
  /** Weights of the reward components by name. */
  weights: Readonly<Record<string, number>>;
}

type Registry<Config extends { kind: string }, Part> = {
  [Kind in Config["kind"]]: (config: Extract<Config, { kind: Kind }>, context: AdvantageContext) => Part;
};

/** One line per estimator; its options are the member of the same kind in the schema. */
const estimators: Registry<AdvantageConfig, AdvantageEstimator> = {
  group: (config, { weights }) => groupEstimator({ ...config, weights }),
  leave_one_out: leaveOneOutEstimator,
  length_weighted: lengthWeightedEstimator,
  gpg: gpgEstimator,
  pass_at_k: passAtKEstimator,
  reinforce_pp: reinforcePlusPlusEstimator,
  reinforce_pp_baseline: (_, context) => reinforcePlusPlusBaseline(context),
  remax: remaxEstimator,
  gae: gaeEstimator,
  process: processEstimator,
  stratified: stratifiedEstimator,
  risk_mvar: (config) => new RiskEstimator(config),
  soft_baseline: softBaselineEstimator,
  gigpo: gigpoEstimator,
  span_group: spanGroupEstimator,
};

const transforms: Registry<AdvantageTransformConfig, AdvantageTransform> = {
  prefix_tree: prefixTreeTransform,
  whiten: whitenTransform,
  standardize: standardizeTransform,
  semantic_entropy: semanticEntropyTransform,
  list_length: listLengthTransform,
};

/** REINFORCE++-baseline: R_i - mean_group R, whitened over the trained actions of the batch (arXiv 2501.03262, eq. 9). */
function reinforcePlusPlusBaseline({ weights }: AdvantageContext): AdvantageEstimator {
  const options = { scale: "none", std: "sample", epsilon: 0, variance_floor: 0, single: "reward" } as const;
  return {
    needs: {},
    estimate: (rows) => {
      const centred = groupAdvantages(rows, { ...options, aggregation: "sum_then_normalize", weights });
      return whitenTransform().apply(rows, spread(rows, centred.advantages));
    },
  };
}

function make<Config extends { kind: string }, Part>(
  registry: Registry<Config, Part>,
  config: Config,
  context: AdvantageContext,
): Part {
  const factory = registry[config.kind as Config["kind"]] as (config: Config, context: AdvantageContext) => Part;
  return factory(config, context);
}

/**
 * The advantages a configuration asks for: its estimator, its transforms in order, then 0 for rows without signal (rewards
 * that do not apply, groups with nothing to compare).
 */
export function makeAdvantage(
  config: AdvantageConfig,
  context: AdvantageContext = { weights: {} },
): AdvantageEstimator {
  const estimator = make(estimators, config, context);
  const steps = config.then.map((step) => make(transforms, step, context));
  return {
    needs: mergeNeeds([estimator, ...steps]),
    stateful: [...(estimator.stateful ?? []), ...statefulParts(steps)],
    estimate: (rows, log, random) => {
      const raw = estimator.estimate(rows, log, random);
      const advantages = steps.reduce((values, step) => step.apply(rows, values, log), raw);
      return advantages.map((values) => values.map((value) => (Number.isNaN(value) ? 0 : value)));
    },
  };
}
