import { porterStem } from "./porter-stem.js";

/** Words of a text as the rouge-score package counts them: runs of ASCII letters and digits, stemmed where longer than 3. */
export function rougeTokens(text: string): string[] {
  const words = text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
  return words.map((word) => (word.length > 3 ? porterStem(word) : word));
}

/**
 * F1 of the n-grams that two texts share, each counted as often as the rarer side has it (Lin 2004, "ROUGE: A Package for
 * Automatic Evaluation of Summaries", section 2); 0 where one has none.
 */
export function rougeN(candidate: readonly string[], reference: readonly string[], n: number): number {
  const [a, b] = [countNgrams(candidate, n), countNgrams(reference, n)];
  let shared = 0;
  for (const [gram, count] of a) shared += Math.min(count, b.get(gram) ?? 0);
  return f1(shared, Math.max(candidate.length - n + 1, 0), Math.max(reference.length - n + 1, 0));
}

/** F1 of the longest common subsequence of two texts (Lin 2004, section 3). */
export function rougeLongest(candidate: readonly string[], reference: readonly string[]): number {
  let row = new Uint32Array(reference.length + 1);
  for (const word of candidate) {
    const next = new Uint32Array(reference.length + 1);
    reference.forEach((other, j) => {
      next[j + 1] = word === other ? row[j]! + 1 : Math.max(row[j + 1]!, next[j]!);
    });
    row = next;
  }
  return f1(row[reference.length]!, candidate.length, reference.length);
}

/** Mean F1 of ROUGE-1, ROUGE-2 and ROUGE-L of two texts. */
export function meanRouge(candidate: string, reference: string): number {
  const [a, b] = [rougeTokens(candidate), rougeTokens(reference)];
  return (rougeN(a, b, 1) + rougeN(a, b, 2) + rougeLongest(a, b)) / 3;
}

function countNgrams(words: readonly string[], n: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let start = 0; start + n <= words.length; start++) {
    const gram = words.slice(start, start + n).join(" ");
    counts.set(gram, (counts.get(gram) ?? 0) + 1);
  }
  return counts;
}

function f1(shared: number, got: number, wanted: number): number {
  if (shared === 0) return 0;
  const [precision, recall] = [shared / got, shared / wanted];
  return (2 * precision * recall) / (precision + recall);
}
