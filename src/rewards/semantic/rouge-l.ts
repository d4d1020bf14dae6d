import { rougeLongest } from "../rouge/rouge.js";

/**
 * ROUGE-L: F1 of the longest common subsequence of two texts over their words, runs of letters, digits and underscores in lower
 * case; 0 where one has none. Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries", section 3, beta = 1.
 */
export function rougeL(candidate: string, reference: string): number {
  return rougeLongest(wordsOf(candidate), wordsOf(reference));
}

function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? [];
}
