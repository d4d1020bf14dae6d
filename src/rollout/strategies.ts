import type { StrategyConfig } from "../config/schema/rollout.js";
import { type SerialGroupContext, serialGroupStrategy } from "./serial-group.js";
import { parallelStrategy, type RolloutStrategy } from "./strategy.js";

/** The strategy a configuration asks for; `greedyBaseline` adds a greedy completion to each parallel group. */
export function makeStrategy(
  config: StrategyConfig,
  run: SerialGroupContext & { greedyBaseline?: boolean },
): RolloutStrategy {
  switch (config.kind) {
    case "parallel":
      return parallelStrategy(run);
    case "serial_group":
      return serialGroupStrategy(config, run);
  }
}
