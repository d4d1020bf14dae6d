import { readFileSync } from "node:fs";
import { dataError } from "./data-error.js";
import type { PromptOutcome, PromptSampler } from "./sampler.js";

/** Mean reward of each example at each visit, by its id; in the order in which examples were first met. */
export type AccuracyHistory = Map<string, number[]>;

/**
 * Reads a history: a JSON object of id -> list of accuracies. Its order is kept, which parsing to an object would lose for ids
 * that look like integers.
 *
 * @throws GrpoError GRPO_DATA for a file that is missing or holds anything else
 */
export function readAccuracyHistory(path: string): AccuracyHistory {
  const fix = 'give a JSON object such as {"17": [0.25, 0.5]}';
  let text: string;
  let parsed: unknown;
  try {
    text = readFileSync(path, "utf8");
    parsed = JSON.parse(text);
  } catch (error) {
    throw dataError(path, null, `no accuracy history: ${(error as Error).message}`, fix);
  }
  const lists = Object.values(parsed ?? {});
  const numbers = (list: unknown) => Array.isArray(list) && list.every((value) => typeof value === "number");
  if (typeof parsed !== "object" || Array.isArray(parsed) || lists.length === 0 || !lists.every(numbers)) {
    throw dataError(path, null, "this is no accuracy history", fix);
  }
  const entry = /("(?:[^"\\]|\\.)*")\s*:\s*(\[[^\]]*\])/g;
  return new Map([...text.matchAll(entry)].map(([, id, list]) => [JSON.parse(id!), JSON.parse(list!)]));
}

/** The text of {@link readAccuracyHistory}, one example per line. */
export function formatAccuracyHistory(history: AccuracyHistory): string {
  const lines = [...history].map(([id, list]) => `${JSON.stringify(id)}: ${JSON.stringify(list)}`);
  return `{\n${lines.join(",\n")}\n}\n`;
}

/** A sampler that also keeps the history of what its prompts earned, by row number; the history is part of its state. */
export function withHistory(sampler: PromptSampler): PromptSampler & { readonly history: AccuracyHistory } {
  const history: AccuracyHistory = new Map();
  return {
    stateName: sampler.stateName,
    history,
    next: (count) => sampler.next(count),
    observe(outcomes) {
      for (const outcome of outcomes) note(history, outcome);
      sampler.observe(outcomes);
    },
    saveState: () => ({ sampler: sampler.saveState(), history: [...history] }),
    loadState(state) {
      const saved = state as { sampler: unknown; history: [string, number[]][] };
      sampler.loadState(saved.sampler);
      history.clear();
      for (const [id, list] of saved.history) history.set(id, [...list]);
    },
  };
}

function note(history: AccuracyHistory, { task, rewards }: PromptOutcome): void {
  const scored = rewards.filter((reward) => !Number.isNaN(reward));
  if (scored.length === 0) return;
  const id = String(task.index);
  const list = history.get(id) ?? [];
  list.push(scored.reduce((sum, reward) => sum + reward, 0) / scored.length);
  history.set(id, list);
}
