import type { EnvironmentConfig } from "../config/schema/environment.js";
import type { RolloutConfig, StrategyConfig } from "../config/schema/rollout.js";
import { templateOf } from "../data/prompt.js";
import { fillTemplate } from "../data/template.js";
import { ExitCode, GrpoError } from "../errors.js";
import { difficultyHintStrategy } from "./difficulty-hint.js";
import { makeEnvironment } from "./environments/registry.js";
import { multiTurnStrategy } from "./multi-turn.js";
import { promptMaker } from "./prompt-maker.js";
import { serialGroupStrategy } from "./serial-group.js";
import { type StepPrompts, stepPromptStrategy } from "./step-prompts.js";
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
    const { max_turns, max_turn_tokens, max_observation_tokens, step_prompts } = config.environment;
    const environment = await makeEnvironment(config.environment, run.seed);
    const options = {
      maxTurns: max_turns,
      maxTurnTokens: max_turn_tokens ?? run.maxLength,
      maxObservationTokens: max_observation_tokens,
      maxLength: run.maxLength,
    };
    const strategy =
      step_prompts === null
        ? multiTurnStrategy(environment, run.tokenizer, options)
        : stepPromptStrategy(environment, run.tokenizer, options, stepPrompts(step_prompts, run));
    return { training: strategy, evaluation: strategy };
  }
  return { training: trainingStrategy(config.strategy, run), evaluation: parallelStrategy() };
}

function trainingStrategy(
  config: StrategyConfig,
  run: StrategyContext & { greedyBaseline?: boolean },
): RolloutStrategy {
  switch (config.kind) {
    case "parallel":
      return parallelStrategy(run);
    case "serial_group":
      return serialGroupStrategy(config, run);
    case "difficulty_hint":
      return difficultyHintStrategy(config, run);
  }
}

/** The prompts of steps as a configuration words them. */
function stepPrompts(
  { template, history, history_item }: NonNullable<EnvironmentConfig["step_prompts"]>,
  { tokenizer, prompt }: StrategyContext,
): StepPrompts {
  const key = "rollout.environment.step_prompts";
  const item = templateOf(history_item, `${key}.history_item`);
  return {
    make: promptMaker(tokenizer, prompt, template, `${key}.template`),
    history,
    historyItem: (step) =>
      fillTemplate(item, step, (column) => {
        throw new GrpoError("GRPO_CONFIG", `${key}.history_item: a step has no {${column}}`, {
          exitCode: ExitCode.config,
          fix: "use {k}, {observation}, {action} and {result}",
        });
      }),
  };
}
