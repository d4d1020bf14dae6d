import type { Environment } from "../environment.js";
import { cutTurn, invalidActionText, parseAction, searchObservation } from "./search-protocol.js";

/** Finds documents: for each query, in order, the contents (title, line end, body) of the best ones first. */
export interface Retriever {
  search(queries: readonly string[]): Promise<string[][]>;
}

/**
 * The Search-R1 protocol (arXiv 2503.09516, section 3): the policy searches or answers; what is neither is told so. After the
 * last turn one more is given for the answer, in which a search is counted but not done. Measures the seconds of a search.
 *
 * @param topk most documents per search
 */
export function searchEnvironment(retriever: Retriever, topk: number): Environment {
  let searches = 0;
  let seconds = 0;
  const timed = async (query: string): Promise<string[]> => {
    const started = performance.now();
    const [contents] = await retriever.search([query]);
    searches += 1;
    seconds += (performance.now() - started) / 1000;
    return contents!;
  };
  return {
    stop: ["</search>", "</answer>"],
    finalTurns: 1,
    cut: cutTurn,
    async start({ text }, count) {
      return Array.from({ length: count }, () => ({
        // What an action is taken from: the newest documents, the question at first (GiGPO, search task).
        anchor: text,
        async step(action, final) {
          const { kind, content } = parseAction(action);
          if (kind === "answer") return { observation: "", done: true, valid: true, meta: { answer: content } };
          if (kind === null) {
            return { observation: final ? "" : invalidActionText, done: false, valid: false };
          }
          const meta = { query: content, searched: !final };
          if (final) return { observation: "", done: false, valid: true, meta };
          const observation = searchObservation((await timed(content)).slice(0, topk));
          return { observation, done: false, valid: true, anchor: observation, meta };
        },
      }));
    },
    metrics() {
      const measured: Record<string, number> = searches === 0 ? {} : { "time/retrieval_s": seconds / searches };
      searches = 0;
      seconds = 0;
      return measured;
    },
    async close() {},
  };
}
