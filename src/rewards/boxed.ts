/** Contents of all `\boxed{...}` of a text, in order; a box whose braces do not close is left out. */
export function boxedContents(text: string): string[] {
  const found: string[] = [];
  for (const { index } of text.matchAll(/\\boxed\{/g)) {
    const start = index + "\\boxed{".length;
    let depth = 1;
    for (let end = start; end < text.length; end++) {
      if (text[end] === "{") depth += 1;
      else if (text[end] === "}") depth -= 1;
      if (depth > 0) continue;
      found.push(text.slice(start, end));
      break;
    }
  }
  return found;
}

/** Final answer of a response: its last box, else its last `<answer>` block, else null. */
export function finalAnswer(text: string): string | null {
  return boxedContents(text).at(-1) ?? [...text.matchAll(/<answer>(.*?)<\/answer>/gs)].at(-1)?.[1] ?? null;
}
