import type { Config, Stage } from "../config/schema.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";

/** The longest prompt and completion any stage allows, within what the model can take; in tokens. */
export function longestPath({ stages }: Pick<Config, "stages">, tokenizer: Tokenizer, limit: number): number {
  const wanted = stages.map((stage) => {
    const evaluated = stage.eval?.max_completion_tokens ?? 0;
    const response = Math.max(longestResponse(stage, tokenizer), evaluated);
    return stage.data.max_prompt_tokens + addedPrompt(stage, tokenizer) + response;
  });
  return Math.min(Math.max(...wanted), limit);
}

const lengthOf = (text: string, tokenizer: Tokenizer) => tokenizer.encode(text, { addSpecialTokens: false }).length;

/** A completion, or in a serial group the thought up to the last exit, the forced text after it, and the answer. */
function longestResponse({ rollout }: Stage, tokenizer: Tokenizer): number {
  const { strategy, max_completion_tokens } = rollout;
  if (strategy.kind !== "serial_group") return max_completion_tokens;
  return max_completion_tokens + lengthOf(strategy.inducer, tokenizer) + strategy.answer_max_tokens;
}

/** What prompts that the rollout makes hold beyond that of the data row: a hint, or what was seen and done so far. */
function addedPrompt({ rollout }: Stage, tokenizer: Tokenizer): number {
  const { strategy, environment, max_completion_tokens } = rollout;
  if (strategy.kind === "difficulty_hint") {
    // A hint is a part of a completion.
    const templates = [strategy.guide, strategy.prompt].map((text) => lengthOf(text, tokenizer));
    return Math.max(...templates) + max_completion_tokens;
  }
  const prompts = environment?.step_prompts;
  if (environment == null || prompts == null) return 0;
  const { max_observation_tokens, max_turn_tokens } = environment;
  const step = max_observation_tokens + (max_turn_tokens ?? max_completion_tokens);
  const item = step + lengthOf(prompts.history_item, tokenizer);
  return lengthOf(prompts.template, tokenizer) + max_observation_tokens + prompts.history * item;
}
