/**
 * ROUGE-L: F1 of the longest common subsequence of two texts over their words, runs of letters, digits and underscores in lower
 * case; 0 where one has none. Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries", section 3, beta = 1.
 */
export function rougeL(candidate: string, reference: string): number {
  const [a, b] = [wordsOf(candidate), wordsOf(reference)];
  let row = new Uint32Array(b.length + 1);
  for (const word of a) {
    const next = new Uint32Array(b.length + 1);
    b.forEach((other, j) => {
      next[j + 1] = word === other ? row[j]! + 1 : Math.max(row[j + 1]!, next[j]!);
    });
    row = next;
  }
  const common = row[b.length]!;
  if (common === 0) return 0;
  const precision = common / a.length;
  const recall = common / b.length;
  return (2 * precision * recall) / (precision + recall);
}

function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? [];
}
