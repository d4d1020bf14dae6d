import type { RewardSpecOf } from "../../config/schema/rewards.js";
import { compileAnswer } from "../answer.js";
import type { CallResult, CallScorer, RewardSample } from "../types.js";
import { cosine, mapCosine } from "./cosine.js";
import { explanationOf } from "./explanation.js";
import { languageOf } from "./language.js";

/** Vectors of texts, from a frozen encoder. */
export interface TextEmbedder {
  embed(texts: readonly string[]): Promise<Float64Array[]>;
  close(): void;
}

/**
 * Semantic reward (arXiv 2509.13081): cosine between the embeddings of a completion's explanation and of a reference. A
 * completion without an explanation gets 0; a reference shorter than `min_chars` does not apply. References are embedded once.
 * Logs what shows a collapse: empty explanations, those in another language, and how alike those of one call are.
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
    return { values, logged: logged(texts, references, vectors) };
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

/** Share of missing explanations, likeness of a group's explanations, and share in another language than their reference. */
function logged(
  texts: readonly string[],
  references: readonly (string | null)[],
  vectors: readonly Float64Array[],
): CallResult["logged"] {
  const entries = [{ name: "empty", value: texts.filter((text) => text === "").length / texts.length }];
  const pairs = vectors.flatMap((a, i) => vectors.slice(i + 1).map((b) => cosine(a, b)));
  if (pairs.length > 0) {
    entries.push({ name: "self_similarity", value: pairs.reduce((sum, value) => sum + value, 0) / pairs.length });
  }
  const told = texts.flatMap((text, i) => {
    const [own, wanted] = [languageOf(text), languageOf(references[i] ?? "")];
    return own === null || wanted === null ? [] : [own === wanted ? 0 : 1];
  });
  if (told.length > 0) {
    entries.push({ name: "other_language", value: told.reduce<number>((sum, value) => sum + value, 0) / told.length });
  }
  return entries;
}
