import { strip } from "../../rewards/white-space.js";

/** What a policy asks for in a turn of the Search-R1 protocol; null where it asks for nothing. */
export interface SearchAction {
  kind: "search" | "answer" | null;
  content: string;
}

/** Told to a policy that neither searched nor answered: part of the protocol, word for word. */
export const invalidActionText =
  "\nMy previous action is invalid. If I want to search, I should put the query between <search> and </search>. If I want to give the final answer, I should put the answer between <answer> and </answer>. Let me try again.\n";

/**
 * The part of a turn that counts: up to the first `</search>` wherever it stands, else up to the first `</answer>`, else all
 * (Search-R1, generation.py).
 */
export function cutTurn(text: string): string {
  for (const mark of ["</search>", "</answer>"]) {
    const at = text.indexOf(mark);
    if (at >= 0) return text.slice(0, at + mark.length);
  }
  return text;
}

/** The first complete `<search>` or `<answer>` pair of a turn, its content stripped. */
export function parseAction(text: string): SearchAction {
  const match = /<(search|answer)>(.*?)<\/\1>/s.exec(text);
  if (match === null) return { kind: null, content: "" };
  return { kind: match[1] as "search" | "answer", content: strip(match[2]!) };
}

/**
 * Documents as the policy reads them: `Doc 1(Title: TITLE) BODY`, a line each.
 *
 * @param contents of each document: its title, a line end, its body
 */
export function formatPassages(contents: readonly string[]): string {
  return contents
    .map((content, i) => {
      const [title, ...body] = content.split("\n");
      return `Doc ${i + 1}(Title: ${title}) ${body.join("\n")}\n`;
    })
    .join("");
}

/** What a search adds to the response. */
export function searchObservation(contents: readonly string[]): string {
  return `\n\n<information>${strip(formatPassages(contents))}</information>\n\n`;
}
