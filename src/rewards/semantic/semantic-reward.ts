import type { RewardSpecOf } from "../../config/schema/rewards.js";
import { compileAnswer } from "../answer.js";
import type { CallResult, CallScorer, RewardSample } from "../types.js";
import { cosine, mapCosine } from "./cosine.js";
import { explanationOf } from "./explanation.js";

/** Vectors of texts, from a frozen encoder. */
export interface TextEmbedder {
  embed(texts: readonly string[]): Promise<Float64Array[]>;
  close(): void;
}

/**
 * Semantic reward (arXiv 2509.13081): cosine between the embeddings of a completion's explanation and of a reference. A
 * completion without an explanation gets 0; a reference shorter than `min_chars` does not apply. References are embedded once.
 */
export class SemanticReward implements CallScorer {
  readonly #references = new Map<string, Promise<Float64Array>>();
  readonly #reference: (sample: RewardSample) => string | null;

  constructor(
    private readonly spec: RewardSpecOf<"semantic">,
    private readonly embedder: TextEmbedder,
  ) {
    this.#reference = compileAnswer(spec.name, spec.answer);
  }

  async score(samples: readonly RewardSample[]): Promise<CallResult> {
    const { spec, embedder } = this;
    const values = new Float64Array(samples.length);
    const texts = samples.map(({ completion }) => explanationOf(completion, spec));
    const references = samples.map(this.#reference);
    references.forEach((text, i) => {
      if (text === null || text.length < spec.min_chars) values[i] = Number.NaN;
    });
    const scored = [...texts.keys()].filter((i) => texts[i] !== "" && !Number.isNaN(values[i]!));
    const vectors = await embedder.embed(scored.map((i) => spec.prefix + texts[i]));
    for (const [k, i] of scored.entries()) {
      values[i] = mapCosine(cosine(vectors[k]!, await this.#embedded(references[i]!)), spec.mapping);
    }
    const empty = texts.filter((text) => text === "").length;
    return { values, logged: [{ name: "empty", value: empty / samples.length }] };
  }

  async close(): Promise<void> {
    this.embedder.close();
  }

  #embedded(reference: string): Promise<Float64Array> {
    const known = this.#references.get(reference);
    if (known !== undefined) return known;
    const vector = this.embedder.embed([this.spec.prefix + reference]).then(([found]) => found!);
    this.#references.set(reference, vector);
    return vector;
  }
}
