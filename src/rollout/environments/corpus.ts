import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, parse } from "node:path";
import { readRecords } from "../../data/source.js";
import { ExitCode, GrpoError } from "../../errors.js";

/**
 * Contents of the documents of a folder of .txt files (titles are their names), or of a data file or folder: the column `contents`, else `title` (in quotes, as in Search-R1's
 * Wikipedia), a line end, and `text`.
 *
 * @throws GrpoError GRPO_DATA for a missing or damaged file, or a row with neither
 */
export async function readCorpus(path: string): Promise<string[]> {
  const texts = textFiles(path);
  if (texts.length > 0) {
    return texts.map((name) => `"${parse(name).name}"\n${readFileSync(join(path, name), "utf8").trimEnd()}`);
  }
  return (await readRecords({ path })).map(({ contents, title, text }, row) => {
    if (typeof contents === "string") return contents;
    if (typeof title === "string" && typeof text === "string") return `"${title}"\n${text}`;
    throw new GrpoError(
      "GRPO_DATA",
      `${path}: document ${row + 1} has neither \`contents\` nor \`title\` and \`text\``,
      {
        exitCode: ExitCode.data,
        fix: "give every document the column contents (title, line end, body)",
      },
    );
  });
}

function textFiles(path: string): string[] {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  return readdirSync(path)
    .filter((name) => name.endsWith(".txt"))
    .sort();
}
