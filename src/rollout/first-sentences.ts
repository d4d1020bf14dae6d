/**
 * The beginning of a text: the first ceil(share x sentences) sentences, ending before the first that holds `answer`.
 *
 * @param share in [0, 1]
 * @param answer text that must not be told; "" is none
 */
export function firstSentences(text: string, share: number, answer: string): string {
  const sentences = text.split(/(?<=[.!?])(?=\s)|(?<=\n)/).filter((one) => one.trim() !== "");
  const told = answer === "" ? -1 : sentences.findIndex((sentence) => sentence.includes(answer));
  const count = Math.min(Math.ceil(share * sentences.length), told < 0 ? sentences.length : told);
  return sentences.slice(0, count).join("").trim();
}
