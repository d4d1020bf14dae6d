import type { StrategyConfig } from "../config/schema/rollout.js";
import { type SerialGroupContext, serialGroupStrategy } from "./serial-group.js";
import { parallelStrategy, type RolloutStrategy } from "./strategy.js";

/** The strategy a configuration asks for. */
export function makeStrategy(config: StrategyConfig, run: SerialGroupContext): RolloutStrategy {
  switch (config.kind) {
    case "parallel":
      return parallelStrategy();
    case "serial_group":
      return serialGroupStrategy(config, run);
  }
}
