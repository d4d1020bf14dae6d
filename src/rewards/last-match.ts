/** The last match of a global pattern: its first group that took part, or the whole match if it has no groups; else null. */
export function lastMatch(pattern: RegExp, text: string): string | null {
  let found: string | null = null;
  for (const [whole, ...groups] of text.matchAll(pattern)) {
    found = groups.length === 0 ? whole : (groups.find((group) => group !== undefined) ?? "");
  }
  return found;
}
