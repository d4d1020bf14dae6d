import type { KlConfig } from "../../config/schema/objective.js";
import type { ShapeConfig } from "../../config/schema/shape.js";
import type { AdvantageContext } from "../advantage/registry.js";
import { clamp } from "../statistics.js";
import type { RewardShaper } from "../types.js";
import { balanceShaper } from "./balance.js";
import { consistencyShaper } from "./consistency.js";
import { EllipticalShaper } from "./elliptical.js";
import { KlReward } from "./kl-reward.js";
import { lambdaLengthShaper } from "./lambda-length.js";
import { repetitionShaper } from "./repetition.js";
import { serialDecayShaper } from "./serial-decay.js";
import { softOverlongShaper } from "./soft-overlong.js";
import { unlikelinessShaper } from "./unlikeliness.js";
import { weightedSumShaper } from "./weighted-sum.js";

type Item = ShapeConfig[number];

/** One line per reward transform; its options are the member of the same kind in the schema. */
const shapers: {
  [Kind in Item["kind"]]: (config: Extract<Item, { kind: Kind }>, context: AdvantageContext) => RewardShaper;
} = {
  clip: ({ min, max }) =>
    eachRow((row) => {
      row.reward = clamp(row.reward, min, max);
    }),
  soft_overlong: softOverlongShaper,
  repetition: repetitionShaper,
  serial_decay: serialDecayShaper,
  unlikeliness: unlikelinessShaper,
  lambda_length: lambdaLengthShaper,
  balance: balanceShaper,
  consistency: consistencyShaper,
  weighted_sum: weightedSumShaper,
  elliptical: (config) => new EllipticalShaper(config),
  mask_truncated: () =>
    eachRow((row) => {
      if (!row.terminated) row.mask = new Uint8Array(row.length);
    }),
};

function eachRow(edit: (row: Parameters<RewardShaper["shape"]>[0][number]) => void): RewardShaper {
  return { needs: {}, shape: (rows) => rows.forEach(edit) };
}

/** The reward transforms a configuration asks for, in order; a KL penalty in the reward comes last. */
export function makeShapers(
  config: ShapeConfig,
  kl?: KlConfig,
  context: AdvantageContext = { weights: {} },
): RewardShaper[] {
  const made = config.map((item) => {
    const make = shapers[item.kind] as (config: Item, context: AdvantageContext) => RewardShaper;
    return make(item, context);
  });
  return kl !== undefined && kl.coefficient > 0 && kl.placement === "reward" ? [...made, new KlReward(kl)] : made;
}
