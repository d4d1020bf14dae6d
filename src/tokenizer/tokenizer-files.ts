import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { ExitCode, GrpoError } from "../errors.js";

interface AddedToken {
  id: number;
  content: string;
  special: boolean;
}

/** A pre-tokenizer in tokenizer.json. */
export interface PreTokenizerDefinition {
  type: string;
  pretokenizers?: PreTokenizerDefinition[];
  individual_digits?: boolean;
}

/** tokenizer.json, as far as it is read here. */
interface Definition {
  added_tokens: AddedToken[];
  pre_tokenizer: PreTokenizerDefinition | null;
  model: { type?: string; unk_token?: string | null; vocab: unknown };
}

/** What the files of a model folder say about its tokenizer. */
export interface TokenizerFiles {
  definition: Definition;
  /** tokenizer_config.json; empty where absent. */
  config: Record<string, unknown>;
  /** Special tokens by name (`bos_token`, `eos_token`, `pad_token`, ...). */
  specialTokens: Record<string, string>;
  chatTemplate: string | null;
  /** End ids of generation_config.json and config.json. */
  configuredEnds: number[];
  /** Names of the tokenizer's files that are there; a checkpoint needs them all. */
  names: string[];
}

const fileNames = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "chat_template.jinja",
  "chat_template.json",
  "tokenizer.model",
  "vocab.json",
  "vocab.txt",
  "merges.txt",
];

const specialNames = ["bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token", "mask_token"];

/**
 * Reads the tokenizer files of a model folder.
 *
 * @throws GrpoError GRPO_TOKENIZER naming the file that is missing or is not valid
 */
export function readTokenizerFiles(directory: string): TokenizerFiles {
  if (!existsSync(directory)) {
    throw tokenizerError(
      `${directory}: no such folder`,
      "give the path of a model folder; the checkpoints of a run are in its folder `checkpoints`",
    );
  }
  if (!existsSync(join(directory, "tokenizer.json"))) {
    throw tokenizerError(
      `${directory}: tokenizer.json is missing`,
      "copy the tokenizer files of the model into its folder",
    );
  }
  const definition = readObject(directory, "tokenizer.json") as unknown as Definition;
  const config = readObject(directory, "tokenizer_config.json");
  const specialTokens = readSpecialTokens({ ...readObject(directory, "special_tokens_map.json"), ...config });
  if (typeof definition.model !== "object" || !Array.isArray(definition.added_tokens)) {
    throw tokenizerError(`${join(directory, "tokenizer.json")}: not a tokenizer`, "save it with save_pretrained");
  }
  // The library takes the unknown token of a word-level vocabulary from the config; the format keeps it with the model.
  if (definition.model.type === "WordLevel") config.unk_token = definition.model.unk_token ?? config.unk_token;
  return {
    definition,
    config,
    specialTokens,
    chatTemplate: readChatTemplate(directory, config),
    configuredEnds: ["generation_config.json", "config.json"].flatMap((name) => endIds(readObject(directory, name))),
    names: fileNames.filter((name) => existsSync(join(directory, name))),
  };
}

function readObject(directory: string, name: string): Record<string, unknown> {
  const path = join(directory, name);
  if (!existsSync(path)) return {};
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch (cause) {
    throw tokenizerError(`${path}: not valid JSON: ${(cause as Error).message}`, `copy ${basename(path)} again`, cause);
  }
  throw tokenizerError(`${path}: expected a JSON object`, `copy ${basename(path)} again`);
}

/** Special tokens stand as text or as an added token's object. */
function readSpecialTokens(config: Record<string, unknown>): Record<string, string> {
  const tokens: Record<string, string> = {};
  for (const name of specialNames) {
    const value = config[name];
    const text = typeof value === "object" && value !== null ? (value as { content?: unknown }).content : value;
    if (typeof text === "string") tokens[name] = text;
  }
  return tokens;
}

/** The template's own file wins over the config; of several named ones the one called `default` is taken. */
function readChatTemplate(directory: string, config: Record<string, unknown>): string | null {
  const path = join(directory, "chat_template.jinja");
  if (existsSync(path)) return readFileSync(path, "utf8");
  const template = config.chat_template ?? readObject(directory, "chat_template.json").chat_template;
  if (typeof template === "string") return template;
  if (!Array.isArray(template)) return null;
  const named = template as { name: string; template: string }[];
  return (named.find((entry) => entry.name === "default") ?? named[0])?.template ?? null;
}

/** `eos_token_id` of a config: one id, a list, or nothing. */
function endIds(config: Record<string, unknown>): number[] {
  const value = config.eos_token_id;
  return (Array.isArray(value) ? value : [value]).filter((id): id is number => typeof id === "number");
}

function tokenizerError(message: string, fix: string, cause?: unknown): GrpoError {
  return new GrpoError("GRPO_TOKENIZER", message, { exitCode: ExitCode.data, fix, cause });
}
