/** An action as an environment takes it, and whether the policy wrote it as it should. */
export interface TextAction {
  action: string;
  valid: boolean;
}

const CHINESE = /[\u4e00-\u9fff]/;

/**
 * The action of a text world (ALFWorld, WebShop): what stands between the first `<action>` and the first `</action>`, in lower
 * case. Without the pair the last `tail` characters are taken, and the action is not valid; nor is it without reasoning in
 * `<think>` tags, or with Chinese characters (the projections released with GiGPO, arXiv 2505.10978).
 */
export function parseTextAction(text: string, tail: number): TextAction {
  const lower = text.toLowerCase();
  const start = lower.indexOf("<action>");
  const end = lower.indexOf("</action>");
  if (start < 0 || end < 0) return { action: Array.from(lower).slice(-tail).join(""), valid: false };
  const reasoned = text.includes("<think>") && text.includes("</think>");
  return {
    action: lower.slice(start + "<action>".length, end).trim(),
    valid: reasoned && !CHINESE.test(text),
  };
}

/**
 * The action of a search task: the first search block, else the first answer block, of what stands before the end of the
 * first search (or answer). Two kinds of blocks, or one opened twice, make it invalid.
 */
export function parseSearchAction(text: string): TextAction {
  const cut = cutAfter(text, "</search>") ?? cutAfter(text, "</answer>") ?? text;
  const found = block(cut, "search") ?? block(cut, "answer");
  const opened = (tag: string) => text.match(new RegExp(`<${tag}>`, "gi"))?.length ?? 0;
  const [searches, answers] = [opened("search"), opened("answer")];
  const single = !(searches > 0 && answers > 0) && searches < 2 && answers < 2;
  return { action: found ?? "", valid: found !== null && single };
}

function cutAfter(text: string, mark: string): string | null {
  const at = text.indexOf(mark);
  return at < 0 ? null : text.slice(0, at + mark.length);
}

function block(text: string, tag: string): string | null {
  const inner = new RegExp(`<${tag}>(.*?)</${tag}>`, "is").exec(text)?.[1];
  return inner === undefined ? null : `<${tag}>${inner.trim()}</${tag}>`;
}
