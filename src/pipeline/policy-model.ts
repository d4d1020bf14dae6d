import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Config } from "../config/schema.js";
import { builtinTask } from "../data/builtin/registry.js";
import type { Parameter } from "../engine/parameter.js";
import type { FloatType } from "../engine/tensor.js";
import { ExitCode, GrpoError } from "../errors.js";
import { contextLimit, type ModelConfig, modelError, parseModelConfig, readModelConfig } from "../model/config.js";
import { Decoder } from "../model/decoder.js";
import { architectureConfig, readGenerationConfig } from "../model/folder.js";
import type { RewardHead } from "../model/reward-model.js";
import { loadValueHead, type ScalarHead } from "../model/scalar-head.js";
import { initialiseDecoder, loadDecoder } from "../model/weights.js";
import { onDisk } from "../report/disk-error.js";
import { writeCharacterTokenizer } from "../tokenizer/character.js";
import { loadTokenizer, type Tokenizer } from "../tokenizer/tokenizer.js";

/** A model with what it needs to be saved as a Hugging Face folder again. */
export interface LoadedModel {
  decoder: Decoder;
  tokenizer: Tokenizer;
  generation: Record<string, unknown> | null;
  /** Values of states, where the policy has learnt some. */
  valueHead?: ScalarHead | null;
  /** What makes it a reward model, once a reward_model stage has begun. */
  rewardHead?: RewardHead | null;
}

/** Every trained array of a model: its decoder's, then its value head's. */
export function parametersOf({ decoder, valueHead }: LoadedModel): readonly Parameter[] {
  return [...decoder.parameters(), ...(valueHead?.parameters() ?? [])];
}

/** The element type of a config's `model.dtype`. */
export function elementType(dtype: Config["model"]["dtype"]): FloatType {
  return dtype === "bf16" ? "bf16" : "f32";
}

/** Tokenizer of the configured policy: of its folder, of the folder named, or one character per token. */
export function policyTokenizer(config: Config): Tokenizer {
  const { path, tokenizer } = config.model;
  if (tokenizer?.path !== undefined) return loadTokenizer(tokenizer.path);
  if (tokenizer?.alphabet === undefined && path !== undefined) return loadTokenizer(path);
  const folder = mkdtempSync(join(tmpdir(), "grpo-tokenizer-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  onDisk(folder, () => writeCharacterTokenizer(folder, tokenizer?.alphabet ?? builtinAlphabet(config)));
  return loadTokenizer(folder);
}

function builtinAlphabet(config: Config): string {
  const names = config.stages.flatMap(({ data }) => (data.train.builtin === undefined ? [] : [data.train.builtin]));
  if (names.length === 0) {
    throw new GrpoError(
      "GRPO_CONFIG",
      "model.tokenizer: a model from random weights on data of your own needs a tokenizer",
      {
        exitCode: ExitCode.config,
        fix: "set model.tokenizer.path to a folder with tokenizer.json, or model.tokenizer.alphabet to the characters to use",
      },
    );
  }
  return [...new Set(names.flatMap((name) => [...builtinTask(name).alphabet]))].join("");
}

/** Shape of the configured policy, and where its weights come from (null: random). */
export function policyShape(config: Config, tokenizer: Tokenizer): { shape: ModelConfig; folder: string | null } {
  const { path, architecture } = config.model;
  if (path !== undefined) {
    const shape = readModelConfig(path);
    checkVocabulary(shape, tokenizer, path);
    return { shape, folder: path };
  }
  const raw = architectureConfig(architecture!, tokenizer.size, tokenizer);
  return { shape: parseModelConfig(raw, "model.architecture"), folder: null };
}

/** The policy's weights: loaded, or random from the seed of the run. */
export async function loadPolicy(config: Config, tokenizer: Tokenizer, maxLength: number): Promise<LoadedModel> {
  const { shape, folder } = policyShape(config, tokenizer);
  const dtype = elementType(config.model.dtype);
  if (folder !== null) {
    const decoder = await loadDecoder(folder, dtype, maxLength);
    const valueHead = await loadValueHead(folder, decoder);
    return { decoder, tokenizer, generation: readGenerationConfig(folder), valueHead };
  }
  const decoder = new Decoder(shape, dtype, maxLength);
  initialiseDecoder(decoder, config.run.seed);
  return { decoder, tokenizer, generation: null };
}

/** A model folder as `eval` and `generate` take it. */
export async function loadModelFolder(folder: string, maxLength?: number): Promise<LoadedModel> {
  const shape = readModelConfig(folder);
  const tokenizer = loadTokenizer(folder);
  checkVocabulary(shape, tokenizer, folder);
  const dtype = (shape.raw.dtype ?? shape.raw.torch_dtype) === "bfloat16" ? "bf16" : "f32";
  const length = Math.min(maxLength ?? shape.maxPositions, contextLimit(shape));
  return { decoder: await loadDecoder(folder, dtype, length), tokenizer, generation: readGenerationConfig(folder) };
}

function checkVocabulary(shape: ModelConfig, tokenizer: Tokenizer, folder: string): void {
  if (tokenizer.size <= shape.vocabSize) return;
  throw modelError(
    `${folder}: the tokenizer has ${tokenizer.size} ids, the model ${shape.vocabSize} rows (vocab_size)`,
    "use the tokenizer the model was trained with",
  );
}
