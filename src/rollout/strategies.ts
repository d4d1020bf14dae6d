import type { RolloutConfig } from "../config/schema/rollout.js";
import { makeEnvironment } from "./environments/registry.js";
import { multiTurnStrategy } from "./multi-turn.js";
import { serialGroupStrategy } from "./serial-group.js";
import { parallelStrategy, type RolloutStrategy, type StrategyContext } from "./strategy.js";

/** How groups are drawn: those that are trained, and those of an evaluation, which holds independent samples. */
export interface Strategies {
  training: RolloutStrategy;
  evaluation: RolloutStrategy;
}

/** The strategies a configuration asks for; `greedyBaseline` adds a greedy completion to each parallel group. */
export async function makeStrategies(
  config: RolloutConfig,
  run: StrategyContext & { greedyBaseline?: boolean },
): Promise<Strategies> {
  if (config.environment !== null) {
    const { max_turns, max_turn_tokens, max_observation_tokens } = config.environment;
    const strategy = multiTurnStrategy(await makeEnvironment(config.environment, run.seed), run.tokenizer, {
      maxTurns: max_turns,
      maxTurnTokens: max_turn_tokens ?? run.maxLength,
      maxObservationTokens: max_observation_tokens,
      maxLength: run.maxLength,
    });
    return { training: strategy, evaluation: strategy };
  }
  const { strategy } = config;
  return {
    training: strategy.kind === "serial_group" ? serialGroupStrategy(strategy, run) : parallelStrategy(run),
    evaluation: parallelStrategy(),
  };
}
