import { ExitCode, GrpoError } from "../../errors.js";
import type { Retriever } from "./search.js";

/** Attempts before a retriever that does not answer ends the run. */
const attempts = 3;

/**
 * Asks a server of the Search-R1 protocol: POST `{queries, topk, return_scores}`, answered by `{result}` with one list per
 * query of `{document: {contents}}` or bare `{contents}`. Answers are kept, so that one query is asked once per run.
 *
 * @throws GrpoError GRPO_RETRIEVER, when called, if the server cannot be reached in time or answers something else
 */
export function httpRetriever(url: string, topk: number, timeoutS: number): Retriever {
  const known = new Map<string, Promise<string[]>>();
  const ask = async (query: string): Promise<string[]> => {
    let failure: unknown;
    for (let attempt = 0; attempt < attempts; attempt++) {
      try {
        const response = await fetch(url, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ queries: [query], topk, return_scores: true }),
          signal: AbortSignal.timeout(timeoutS * 1000),
        });
        if (!response.ok) throw new Error(`HTTP status ${response.status}`);
        return contentsOf(await response.json());
      } catch (error) {
        failure = error;
      }
    }
    throw new GrpoError("GRPO_RETRIEVER", `retriever ${url}: ${(failure as Error).message}`, {
      exitCode: ExitCode.failure,
      fix: "start the retriever, correct rollout.environment.url, or raise timeout_s",
      cause: failure,
    });
  };
  return {
    search: (queries) =>
      Promise.all(
        queries.map((query) => {
          const answer = known.get(query) ?? ask(query);
          known.set(query, answer);
          return answer;
        }),
      ),
  };
}

function contentsOf(answer: unknown): string[] {
  const [items] = (answer as { result?: unknown[][] }).result ?? [];
  if (!Array.isArray(items)) throw new Error("the answer has no list `result`");
  return items.map((item) => {
    const { document = item } = item as { document?: unknown };
    const { contents } = document as { contents?: unknown };
    if (typeof contents !== "string") throw new Error("a document has no text `contents`");
    return contents;
  });
}
