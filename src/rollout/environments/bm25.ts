/** score(q, d) = sum over words w of q: idf(w) f (k1 + 1) / (f + k1 (1 - b + b |d| / mean |d|)),
 *  idf(w) = ln(1 + (N - n + 0.5) / (n + 0.5)), f = count of w in d, n = documents with w.
 *  Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond", with Lucene's idf. */
import type { Retriever } from "./search.js";

/** As in Anserini and the BM25 server of Search-R1. */
const defaults = { k1: 0.9, b: 0.4 };

/** An inverted index of documents: small collections in memory, no network. */
export class Bm25Index implements Retriever {
  readonly #postings = new Map<string, { document: number; count: number }[]>();
  readonly #lengths: Float64Array;
  readonly #meanLength: number;

  /**
   * @param documents contents as they are returned
   * @param topk most documents per query
   */
  constructor(
    private readonly documents: readonly string[],
    private readonly topk: number,
    private readonly options: { k1: number; b: number } = defaults,
  ) {
    this.#lengths = Float64Array.from(documents, (text, document) => {
      const words = wordsOf(text);
      const counts = new Map<string, number>();
      for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
      for (const [word, count] of counts) {
        const list = this.#postings.get(word) ?? [];
        list.push({ document, count });
        this.#postings.set(word, list);
      }
      return words.length;
    });
    this.#meanLength = this.#lengths.reduce((sum, length) => sum + length, 0) / Math.max(documents.length, 1);
  }

  /** Scores of the documents that share a word with the query, best first; ties go to the lower index. */
  rank(query: string): { document: number; score: number }[] {
    const { k1, b } = this.options;
    const total = this.documents.length;
    const scores = new Map<number, number>();
    for (const word of wordsOf(query)) {
      const list = this.#postings.get(word) ?? [];
      const idf = Math.log(1 + (total - list.length + 0.5) / (list.length + 0.5));
      for (const { document, count } of list) {
        const norm = k1 * (1 - b + (b * this.#lengths[document]!) / this.#meanLength);
        scores.set(document, (scores.get(document) ?? 0) + (idf * count * (k1 + 1)) / (count + norm));
      }
    }
    return [...scores]
      .map(([document, score]) => ({ document, score }))
      .sort((a, z) => z.score - a.score || a.document - z.document);
  }

  async search(queries: readonly string[]): Promise<string[][]> {
    return queries.map((query) =>
      this.rank(query)
        .slice(0, this.topk)
        .map(({ document }) => this.documents[document]!),
    );
  }
}

/** Runs of letters and digits of any script, in lower case. */
function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}
