import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { loadTokenizer } from "../../src/tokenizer/tokenizer.js";

interface TokenizerCase {
  text: string;
  ids: number[];
  decoded?: string;
}

/**
 * Runs a file of tokenizer cases (`cases[].text`, `.ids`, and optionally `.decoded`) through the product's tokenizer.
 *
 * @param file JSON file of cases
 * @param tokenizerDir folder with tokenizer.json; the folder of the file where absent
 */
export function runTokenizerCases(
  file: string,
  tokenizerDir: string = dirname(file),
): { passed: number; failed: number; messages: string[] } {
  const tokenizer = loadTokenizer(tokenizerDir);
  const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: TokenizerCase[] };
  const messages: string[] = [];
  for (const [i, { text, ids, decoded }] of cases.entries()) {
    const encoded = Array.from(tokenizer.encode(text));
    const spoken = tokenizer.decode(ids);
    if (encoded.join() !== ids.join()) {
      messages.push(`case ${i}: ${JSON.stringify(text)} gives ids [${encoded}], expected [${ids}]`);
    } else if (decoded !== undefined && spoken !== decoded) {
      messages.push(`case ${i}: ids decode to ${JSON.stringify(spoken)}, expected ${JSON.stringify(decoded)}`);
    }
  }
  return { passed: cases.length - messages.length, failed: messages.length, messages };
}
