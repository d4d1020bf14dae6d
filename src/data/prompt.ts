import { basename } from "node:path";
import { ExitCode, GrpoError } from "../errors.js";
import type { Task } from "../tree/episode.js";
import { dataError } from "./data-error.js";
import type { DataRecord } from "./plain.js";
import { fillTemplate, lookUp, parseTemplate, type Template } from "./template.js";

/** One turn of a conversation. */
export interface Message {
  role: string;
  content: unknown;
  [key: string]: unknown;
}

/** What prompts need of a tokenizer. */
export interface PromptTokenizer {
  encode(text: string, options?: { addSpecialTokens?: boolean }): Int32Array;
  renderChat(
    messages: readonly Message[],
    options?: { addGenerationPrompt?: boolean; variables?: Readonly<Record<string, unknown>> },
  ): string;
  readonly eosId: number | null;
  /** The token that ends an assistant's turn in the chat template, where there is one. */
  readonly turnEndId: number | null;
  readonly unkId: number | null;
}

/** How a data row becomes a prompt. */
export interface PromptConfig {
  /** Text with `{column}` references; or use `column`. */
  template?: string | undefined;
  /** A column that holds the prompt as text or as chat messages. */
  column?: string | undefined;
  /** System message of a chat prompt; messages that bring their own keep it. */
  system?: string | undefined;
  /** Render through the chat template. Where absent: messages are, text is not. */
  chat?: boolean | undefined;
  /** Further variables of the chat template, such as Qwen3's `enable_thinking`. */
  chat_variables?: Readonly<Record<string, unknown>> | undefined;
}

export interface BuildOptions {
  tokenizer: PromptTokenizer;
  prompt: PromptConfig;
  /** Longer prompts are dropped or refused. */
  maxPromptTokens: number;
  longPrompts: "drop" | "error";
  /** Name of the source in messages. */
  source: string;
}

/** What the length filter did. Lengths are in tokens, over the rows kept. */
export interface PromptSummary {
  rows: number;
  kept: number;
  dropped: number;
  minTokens: number;
  meanTokens: number;
  maxTokens: number;
  /** One line, ready to print. */
  text: string;
}

/** A prompt with the text to learn after it: a row of supervised training. */
export interface Example {
  /** Row number in the data set. */
  index: number;
  /** Prompt, completion and end token. */
  tokens: Int32Array;
  promptLength: number;
}

/**
 * Turns records into tasks: fills the template, applies the chat template, tokenises once and filters by length. Plain text
 * gets the special tokens its tokenizer adds; a chat template brings its own.
 *
 * @throws GrpoError GRPO_DATA for a missing column, an empty prompt, a prompt that is too long under `longPrompts: error`,
 *   or when no prompt is left
 */
export function buildTasks(
  records: readonly DataRecord[],
  options: BuildOptions,
): { tasks: Task[]; summary: PromptSummary } {
  const build = promptBuilder(records, options);
  return keepShort(records.map(build), options);
}

/**
 * Turns records into supervised examples: the prompt as {@link buildTasks} makes it, then the completion, then the token
 * that ends it (the chat template's end of turn, else the tokenizer's end of text).
 *
 * @param completion template of the text to learn, or what gives the text of a row
 * @throws GrpoError GRPO_DATA as {@link buildTasks} does
 */
export function buildExamples(
  records: readonly DataRecord[],
  options: BuildOptions & { completion: string | ((index: number) => string) },
): { examples: Example[]; summary: PromptSummary } {
  const { tokenizer } = options;
  const build = promptBuilder(records, options);
  const { completion, source } = options;
  const textOf =
    typeof completion === "string" ? templateTexts(records, completion, "data.completion", source) : completion;
  const { tasks, summary } = keepShort(records.map(build), options);
  const examples = tasks.map(({ index, prompt, text, chat }) => {
    const body = completionTokens(tokenizer, prompt, text, textOf(index), chat);
    const end = (chat ? tokenizer.turnEndId : null) ?? tokenizer.eosId;
    const tokens = new Int32Array([...prompt, ...body, ...(end === null ? [] : [end])]);
    return { index, tokens, promptLength: prompt.length };
  });
  return { examples, summary };
}

/**
 * The text that a template gives for a row.
 *
 * @param key of the configuration that holds the template
 * @throws GrpoError GRPO_CONFIG for a template that cannot be read; when called, GRPO_DATA for a missing column
 */
export function templateTexts(
  records: readonly DataRecord[],
  template: string,
  key: string,
  source: string,
): (index: number) => string {
  const parsed = templateOf(template, key);
  return (index) => fillTemplate(parsed, records[index]!, (column) => missingColumn(records, index, column, source));
}

interface BuiltPrompt extends Task {
  chat: boolean;
}

function promptBuilder(records: readonly DataRecord[], options: BuildOptions) {
  const { tokenizer, prompt, source } = options;
  const template = prompt.template === undefined ? null : templateOf(prompt.template, "data.prompt.template");
  return (record: DataRecord, index: number): BuiltPrompt => {
    const missing = (column: string) => missingColumn(records, index, column, source);
    const content = template ? fillTemplate(template, record, missing) : promptColumn(record, index, options, missing);
    const chat = prompt.chat ?? typeof content !== "string";
    const text = chat ? chatText(content, index, options) : plainText(content, index, options);
    const tokens = tokenizer.encode(text, { addSpecialTokens: !chat });
    if (tokens.length === 0) {
      throw dataError(source, index + 1, "the prompt is empty", "give every row a prompt of at least one token");
    }
    const unknown = tokenizer.unkId;
    if (unknown !== null && tokens.includes(unknown)) {
      const what = `the prompt ${quote(text)} holds characters that the tokenizer does not know`;
      throw dataError(source, index + 1, what, "clean the prompts, or choose a tokenizer (or alphabet) that has them");
    }
    return { index, prompt: tokens, text, record, chat };
  };
}

function promptColumn(
  record: DataRecord,
  index: number,
  { prompt, source }: BuildOptions,
  missing: (column: string) => never,
): string | Message[] {
  const column = prompt.column ?? "prompt";
  const value = lookUp(record, column);
  if (value === undefined || value === null) return missing(column);
  if (typeof value === "string") return value;
  if (Array.isArray(value) && value.length > 0 && value.every(isMessage)) return value;
  const what = `column "${column}" is neither text nor a list of chat messages`;
  throw dataError(source, index + 1, what, "give text, or messages such as [{role: user, content: ...}]");
}

function isMessage(value: unknown): value is Message {
  return typeof value === "object" && value !== null && "role" in value && "content" in value;
}

function chatText(content: string | Message[], index: number, { prompt, tokenizer, source }: BuildOptions): string {
  const messages = typeof content === "string" ? [{ role: "user", content }] : content;
  const system = prompt.system !== undefined && messages[0]?.role !== "system";
  const conversation = system ? [{ role: "system", content: prompt.system }, ...messages] : messages;
  try {
    return tokenizer.renderChat(conversation, { addGenerationPrompt: true, variables: prompt.chat_variables ?? {} });
  } catch (cause) {
    if (cause instanceof GrpoError) throw cause;
    const what = `the chat template refuses the messages: ${(cause as Error).message}`;
    throw dataError(source, index + 1, what, "mend the messages of this row, or the template of the model", cause);
  }
}

function plainText(content: string | Message[], index: number, { source }: BuildOptions): string {
  if (typeof content === "string") return content;
  throw dataError(source, index + 1, "chat messages, but chat is false", "set data.prompt.chat to true or remove it");
}

/**
 * Tokens of a completion as they follow its prompt: the tail of prompt and completion tokenised as one text where the prompt
 * comes out the same, so that no space is invented at the seam; else the completion alone.
 */
function completionTokens(
  tokenizer: PromptTokenizer,
  prompt: Int32Array,
  promptText: string,
  completion: string,
  chat: boolean,
): Int32Array {
  const whole = tokenizer.encode(promptText + completion, { addSpecialTokens: !chat });
  const stable = prompt.every((id, i) => whole[i] === id);
  return stable ? whole.subarray(prompt.length) : tokenizer.encode(completion, { addSpecialTokens: false });
}

function keepShort(prompts: BuiltPrompt[], options: BuildOptions): { tasks: BuiltPrompt[]; summary: PromptSummary } {
  const { maxPromptTokens, longPrompts, source } = options;
  const tooLong = prompts.find((task) => task.prompt.length > maxPromptTokens);
  if (tooLong !== undefined && longPrompts === "error") {
    const what = `the prompt has ${tooLong.prompt.length} tokens, the limit is ${maxPromptTokens}`;
    throw dataError(source, tooLong.index + 1, what, "raise data.max_prompt_tokens, or set data.long_prompts: drop");
  }
  const tasks = prompts.filter((task) => task.prompt.length <= maxPromptTokens);
  if (prompts.length === 0)
    throw dataError(source, null, "the data set is empty", "give a source with at least one row");
  if (tasks.length === 0) {
    const shortest = prompts.reduce((min, task) => Math.min(min, task.prompt.length), Number.POSITIVE_INFINITY);
    const what = `every prompt is longer than the limit of ${maxPromptTokens} tokens; the shortest has ${shortest}`;
    throw dataError(source, null, what, `raise data.max_prompt_tokens to at least ${shortest}`);
  }
  return { tasks, summary: summarise(tasks, prompts.length, options) };
}

function summarise(tasks: readonly Task[], rows: number, { maxPromptTokens, source }: BuildOptions): PromptSummary {
  const kept = tasks.length;
  const dropped = rows - kept;
  let minTokens = Number.POSITIVE_INFINITY;
  let maxTokens = 0;
  let sum = 0;
  for (const { prompt } of tasks) {
    minTokens = Math.min(minTokens, prompt.length);
    maxTokens = Math.max(maxTokens, prompt.length);
    sum += prompt.length;
  }
  const meanTokens = sum / kept;
  const lengths = `${minTokens} to ${maxTokens} tokens, mean ${meanTokens.toFixed(1)}`;
  const loss = dropped === 0 ? "" : `; ${dropped} dropped (longer than ${maxPromptTokens} tokens)`;
  const text = `${basename(source)}: ${kept} ${kept === 1 ? "prompt" : "prompts"} of ${lengths}${loss}`;
  return { rows, kept, dropped, minTokens, meanTokens, maxTokens, text };
}

function missingColumn(records: readonly DataRecord[], index: number, column: string, source: string): never {
  const columns = Object.keys(records[index]!).join(", ");
  const what = `column "${column}" is not there; columns are: ${columns}`;
  throw dataError(source, index + 1, what, "name a column of the data in the template, or fill it in this row");
}

/**
 * A template of the configuration, read.
 *
 * @throws GrpoError GRPO_CONFIG (exit code 3) that names the key
 */
export function templateOf(source: string, key: string): Template {
  try {
    return parseTemplate(source);
  } catch (cause) {
    throw new GrpoError("GRPO_CONFIG", `${key}: ${(cause as Error).message}`, {
      exitCode: ExitCode.config,
      fix: "name columns as {column}",
      cause,
    });
  }
}

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
}
