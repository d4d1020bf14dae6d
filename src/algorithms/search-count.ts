/** Number of searches the policy asked for in a Search-R1 transcript: closed `<search>` blocks outside `<information>`. */
export function searchCount(text: string): number {
  const own = text.replaceAll(/<information>.*?<\/information>/gs, "");
  return own.match(/<search>.*?<\/search>/gs)?.length ?? 0;
}
