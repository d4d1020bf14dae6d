import { Template } from "@huggingface/jinja";
import { ExitCode, GrpoError } from "../errors.js";

/** One turn of a conversation; content is text, or parts as the template of the model expects them. */
export interface ChatMessage {
  role: string;
  content: unknown;
  [key: string]: unknown;
}

export interface ChatOptions {
  /** End with the opening of the assistant's turn. */
  addGenerationPrompt?: boolean;
  /** JSON schemas of the tools the model may call. */
  tools?: readonly object[];
  /** Further variables of the template, such as Qwen3's `enable_thinking`. */
  variables?: Readonly<Record<string, unknown>>;
}

/** A model's chat template, which writes a conversation as text. */
export interface ChatTemplate {
  /** @throws Error with the template's own message when it refuses the messages */
  render(messages: readonly ChatMessage[], options?: ChatOptions): string;
}

/**
 * Compiles the Jinja text of a chat template.
 *
 * @param specialTokens by the names templates use: `bos_token`, `eos_token`, ...
 * @param place where the template stands, for messages
 * @throws GrpoError GRPO_TOKENIZER when the template does not parse
 */
export function compileChatTemplate(
  source: string,
  specialTokens: Readonly<Record<string, string>>,
  place: string,
): ChatTemplate {
  let template: Template;
  try {
    template = new Template(source);
  } catch (cause) {
    throw new GrpoError("GRPO_TOKENIZER", `${place}: the chat template does not parse: ${(cause as Error).message}`, {
      exitCode: ExitCode.data,
      fix: "mend the template, or set data.prompt.chat to false",
      cause,
    });
  }
  return {
    render(messages, { addGenerationPrompt = false, tools, variables } = {}) {
      return template.render({
        ...specialTokens,
        ...variables,
        messages,
        tools: tools ?? null,
        documents: null,
        add_generation_prompt: addGenerationPrompt,
      });
    },
  };
}
