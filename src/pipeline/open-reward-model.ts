import { buildExamples, type PromptConfig } from "../data/prompt.js";
import type { Decoder } from "../model/decoder.js";
import { loadRewardModel, type RewardHead } from "../model/reward-model.js";
import type { RewardSample } from "../rewards/types.js";
import { loadTokenizer, type Tokenizer } from "../tokenizer/tokenizer.js";
import { scoreTexts, textEpisodes } from "./scored-texts.js";

/** How a data row becomes a prompt of the reward model, and the budget of a pass in tokens. */
export interface RewardModelInput {
  prompt: PromptConfig;
  maxTokens: number;
}

/** A frozen reward model with its tokenizer. Rewards that look at different labels share it, and each text is scored once. */
export class OpenRewardModel {
  readonly head: RewardHead;
  readonly #decoder: Decoder;
  readonly #tokenizer: Tokenizer;
  readonly #input: RewardModelInput;
  /** Scores by the tokens of a sample and the text that was taken from it. */
  readonly #known = new WeakMap<Int32Array, Map<string, Promise<Float64Array>>>();

  private constructor(tokenizer: Tokenizer, decoder: Decoder, head: RewardHead, input: RewardModelInput) {
    this.#tokenizer = tokenizer;
    this.#decoder = decoder;
    this.head = head;
    this.#input = input;
  }

  /** @throws GrpoError where the folder holds no reward model with a tokenizer */
  static async load(folder: string, input: RewardModelInput): Promise<OpenRewardModel> {
    const tokenizer = loadTokenizer(folder);
    const { decoder, head } = await loadRewardModel(folder);
    return new OpenRewardModel(tokenizer, decoder, head, input);
  }

  /**
   * Outputs of the head (labels) for texts that follow the prompts of samples, in one pass for those it does not know yet.
   *
   * @throws GrpoError GRPO_DATA where a row gives no prompt
   */
  async score(samples: readonly RewardSample[], texts: readonly string[]): Promise<Float64Array[]> {
    const missing = [...samples.keys()].filter((i) => this.#scoresOf(samples[i]!).get(texts[i]!) === undefined);
    if (missing.length > 0) {
      const pass = this.#pass(
        missing.map((i) => samples[i]!),
        missing.map((i) => texts[i]!),
      );
      missing.forEach((i, k) => {
        const own = pass.then((scores) => scores[k]!);
        own.catch(() => {});
        this.#scoresOf(samples[i]!).set(texts[i]!, own);
      });
    }
    return Promise.all(samples.map((sample, i) => this.#scoresOf(sample).get(texts[i]!)!));
  }

  #scoresOf({ tokens }: RewardSample): Map<string, Promise<Float64Array>> {
    const scores = this.#known.get(tokens) ?? new Map<string, Promise<Float64Array>>();
    this.#known.set(tokens, scores);
    return scores;
  }

  async #pass(samples: readonly RewardSample[], texts: readonly string[]): Promise<Float64Array[]> {
    const { examples } = buildExamples(
      samples.map(({ record }) => record),
      {
        tokenizer: this.#tokenizer,
        prompt: this.#input.prompt,
        completion: (index) => texts[index]!,
        maxPromptTokens: Number.POSITIVE_INFINITY,
        longPrompts: "drop",
        source: "the rows of a reward model",
      },
    );
    const owned = examples.map((example, i) => ({ ...example, owner: samples[i]!.record }));
    return scoreTexts(this.#decoder, this.head, textEpisodes(owned, this.#decoder.maxLength), {
      temperature: 1,
      vocabSize: this.#tokenizer.size,
      maxTokens: this.#input.maxTokens,
      sharedPrefix: true,
      checkpoint: false,
    });
  }

  dispose(): void {
    this.#decoder.dispose();
    this.head.scalar.dispose();
  }
}
