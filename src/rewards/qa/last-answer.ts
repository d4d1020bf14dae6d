import { strip } from "../white-space.js";

/**
 * Content of the last `<answer>` pair, stripped; null where there are fewer than `least` pairs. A pair does not reach from one
 * text into the next.
 *
 * @param texts runs of text in order: what the model wrote between two observations, or a whole transcript
 * @param least Search-R1 asks for 2 where it searches prompt and response together, since its prompt holds pairs of its own
 */
export function lastAnswer(texts: readonly string[], least = 1): string | null {
  const found = texts.flatMap((text) => [...text.matchAll(/<answer>(.*?)<\/answer>/gs)]);
  return found.length < least ? null : strip(found.at(-1)?.[1] ?? "");
}
