/** One line of a recommendation list. */
export interface ListItem {
  title: string;
  year: number;
  /** Line of the text it stands on, from 0. */
  line: number;
}

const quotes = ['""', "''", "“”", "‘’", "«»", "``"];

/**
 * Items of a list with one `Title (YYYY)` per line, as in Rank-GRPO: bullets, numbering, emphasis and quotes around a title
 * are taken off, parts in brackets within it as well; lines without a title and a year are left out.
 */
export function parseList(text: string): ListItem[] {
  return text.split(/\r\n|\n|\r/).flatMap((raw, line) => {
    const match = /^(.+?)\s+\((\d{4})\)/u.exec(clean(raw));
    if (match === null) return [];
    const title = cleanTitle(match[1]!);
    return title === "" ? [] : [{ title, year: Number(match[2]), line }];
  });
}

/** White space collapsed; emphasis, numbering, dashes and one pair of quotes taken off the ends, until nothing changes. */
function clean(text: string): string {
  let before: string;
  let after = text;
  do {
    before = after;
    after = before
      .replace(/\s+/gu, " ")
      .replace(/^[\s*_\-–—#•]+|[\s*_\-–—#]+$/gu, "")
      .replace(/^\d+\s*[.)、]\s*/u, "");
    if (quotes.some((pair) => after.length > 1 && after.startsWith(pair[0]!) && after.endsWith(pair[1]!))) {
      after = after.slice(1, -1);
    }
  } while (after !== before);
  return after;
}

function cleanTitle(text: string): string {
  let before: string;
  let after = text;
  do {
    before = after;
    after = clean(before.replace(/\([^()]*\)/gu, " "));
  } while (after !== before);
  return after;
}
