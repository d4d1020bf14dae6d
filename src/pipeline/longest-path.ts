import type { Config, Stage } from "../config/schema.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";

/** The longest prompt and completion any stage allows, within what the model can take; in tokens. */
export function longestPath({ stages }: Pick<Config, "stages">, tokenizer: Tokenizer, limit: number): number {
  const wanted = stages.map((stage) => {
    const evaluated = stage.eval?.max_completion_tokens ?? 0;
    return stage.data.max_prompt_tokens + Math.max(longestResponse(stage, tokenizer), evaluated);
  });
  return Math.min(Math.max(...wanted), limit);
}

/** A completion, or in a serial group the thought up to the last exit, the forced text after it, and the answer. */
function longestResponse({ rollout }: Stage, tokenizer: Tokenizer): number {
  const { strategy, max_completion_tokens } = rollout;
  if (strategy.kind !== "serial_group") return max_completion_tokens;
  const forced = tokenizer.encode(strategy.inducer, { addSpecialTokens: false }).length;
  return max_completion_tokens + forced + strategy.answer_max_tokens;
}
