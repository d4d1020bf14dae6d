const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

/**
 * Philox4x32-10: four random 32-bit words as a pure function of key and counter.
 *
 * @param key 2 words
 * @param counter 4 words
 * Source: Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3", section 3.3.
 */
export function philox(
  key: readonly [number, number],
  counter: readonly [number, number, number, number],
): Uint32Array {
  let [k0, k1] = key;
  const c = Uint32Array.from(counter);
  for (let round = 0; round < 10; round++) {
    const [hi0, lo0] = multiply(M0, c[0]!);
    const [hi1, lo1] = multiply(M1, c[2]!);
    c.set([hi1 ^ c[1]! ^ k0, lo1, hi0 ^ c[3]! ^ k1, lo0]);
    k0 = (k0 + W0) | 0;
    k1 = (k1 + W1) | 0;
  }
  return c;
}

/** High and low word of the 64-bit product of two 32-bit words. */
function multiply(a: number, b: number): [number, number] {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const cross = (middle & 0xffff) + aLow * bHigh;
  return [aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(cross / 0x10000), Math.imul(a, b)];
}

/** What a stream of random numbers is for; streams with the same seed are independent. */
export const Purpose = { shuffle: 0, task: 1, select: 3 } as const;

/**
 * The integers 0 ... `length` - 1 in an order fixed by (seed, purpose, epoch): a Fisher-Yates shuffle whose draws are
 * unbiased (rejected and drawn again where the range does not divide 2^32).
 *
 * @param seed an integer; 53 bits are used
 */
export function permutation(length: number, seed: number, purpose: number, epoch: number): Uint32Array {
  const key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0] as const;
  const order = Uint32Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const range = i + 1;
    const accepted = 2 ** 32 - (2 ** 32 % range);
    let draw = accepted;
    for (let attempt = 0; draw >= accepted; attempt++) draw = philox(key, [i, attempt, epoch, purpose])[0]!;
    const j = draw % range;
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
