import { buildTasks, type PromptConfig, templateOf } from "../data/prompt.js";
import { lookUp } from "../data/template.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import type { Task } from "../tree/episode.js";

/** Makes another prompt for a task: a template over its data row and further columns, which win over those of the row. */
export type PromptMaker = (task: Task, columns: Readonly<Record<string, unknown>>) => Task;

/**
 * Prompts in the manner of the run's own (system message, chat template), from a template of their own.
 *
 * @param prompt how the run makes its prompts
 * @param template text with {column}
 * @param key of the configuration that holds the template
 * @throws GrpoError GRPO_CONFIG for a template that cannot be read; when called, GRPO_DATA for a column that is not there
 */
export function promptMaker(tokenizer: Tokenizer, prompt: PromptConfig, template: string, key: string): PromptMaker {
  templateOf(template, key);
  return (task, columns) => {
    // Messages go through the chat template unless the run says otherwise; so does what follows them.
    const messages = prompt.template === undefined && Array.isArray(lookUp(task.record, prompt.column ?? "prompt"));
    const { column: _, ...rest } = prompt;
    const { tasks } = buildTasks([{ ...task.record, ...columns }], {
      tokenizer,
      prompt: { ...rest, template, chat: prompt.chat ?? messages },
      maxPromptTokens: Number.POSITIVE_INFINITY,
      longPrompts: "error",
      source: key,
    });
    return { ...task, prompt: tasks[0]!.prompt, text: tasks[0]!.text };
  };
}
