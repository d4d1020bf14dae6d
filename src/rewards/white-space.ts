/** What Python's `str.isspace` calls white space; `\s` of JavaScript differs in U+001C to U+001F, U+0085 and U+FEFF. */
const space = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const ends = new RegExp(`^${space}+|${space}+$`, "gu");
const runs = new RegExp(`${space}+`, "u");

/** The text without white space at its ends, as Python's `str.strip`. */
export function strip(text: string): string {
  return text.replace(ends, "");
}

/** The words between runs of white space, as Python's `str.split`. */
export function words(text: string): string[] {
  return text.split(runs).filter((word) => word !== "");
}
