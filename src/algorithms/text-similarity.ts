/** From this length of `b` on, frequent characters seed no match. */
const POPULAR_LENGTH = 200;

/**
 * Ratio 2 M / (|a| + |b|) of Ratcliff and Obershelp 1988 ("Pattern matching: the gestalt approach") as Python's difflib counts
 * it: M = size of the longest common block, plus what lies left of it, plus what lies right; characters of `b` that are popular
 * there seed no block. Code points are compared; 1 for two empty texts. Not symmetric.
 */
export function similarityRatio(a: string, b: string): number {
  const [x, y] = [points(a), points(b)];
  const total = x.length + y.length;
  return total === 0 ? 1 : (2 * matchingSize(x, y)) / total;
}

/** Whether {@link similarityRatio} reaches the threshold; texts of too unequal length are told apart at once. */
export function isSimilar(a: string, b: string, threshold: number): boolean {
  const [x, y] = [points(a).length, points(b).length];
  if (x + y > 0 && (2 * Math.min(x, y)) / (x + y) < threshold) return false;
  return similarityRatio(a, b) >= threshold;
}

const points = (text: string) => Array.from(text);

function matchingSize(a: readonly string[], b: readonly string[]): number {
  const places = seedPlaces(b);
  const open: [number, number, number, number][] = [[0, a.length, 0, b.length]];
  let size = 0;
  for (let range = open.pop(); range !== undefined; range = open.pop()) {
    const [aLow, aHigh, bLow, bHigh] = range;
    const block = longestBlock(a, b, places, range);
    if (block.size === 0) continue;
    size += block.size;
    open.push([aLow, block.a, bLow, block.b], [block.a + block.size, aHigh, block.b + block.size, bHigh]);
  }
  return size;
}

/** Where each character of `b` stands, ascending; without the popular ones of a long text. */
function seedPlaces(b: readonly string[]): Map<string, number[]> {
  const places = new Map<string, number[]>();
  b.forEach((character, j) => {
    const known = places.get(character);
    if (known === undefined) places.set(character, [j]);
    else known.push(j);
  });
  if (b.length < POPULAR_LENGTH) return places;
  const limit = Math.floor(b.length / 100) + 1;
  return new Map([...places].filter(([, at]) => at.length <= limit));
}

/** Longest common run within the range, the earliest in `a`, then in `b`; then grown over equal characters on both sides. */
function longestBlock(
  a: readonly string[],
  b: readonly string[],
  places: ReadonlyMap<string, readonly number[]>,
  [aLow, aHigh, bLow, bHigh]: readonly [number, number, number, number],
): { a: number; b: number; size: number } {
  let best = { a: aLow, b: bLow, size: 0 };
  // Length of the common run that ends at the previous character of `a` and at each place of `b`.
  let before = new Map<number, number>();
  for (let i = aLow; i < aHigh; i++) {
    const here = new Map<number, number>();
    for (const j of places.get(a[i]!) ?? []) {
      if (j < bLow) continue;
      if (j >= bHigh) break;
      const size = (before.get(j - 1) ?? 0) + 1;
      here.set(j, size);
      if (size > best.size) best = { a: i - size + 1, b: j - size + 1, size };
    }
    before = here;
  }
  let { a: start, b: other, size } = best;
  while (start > aLow && other > bLow && a[start - 1] === b[other - 1]) {
    start -= 1;
    other -= 1;
    size += 1;
  }
  while (start + size < aHigh && other + size < bHigh && a[start + size] === b[other + size]) size += 1;
  return { a: start, b: other, size };
}
