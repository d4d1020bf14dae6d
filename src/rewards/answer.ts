import { ExitCode, GrpoError } from "../errors.js";
import type { RewardSample } from "./types.js";

/**
 * Compiles an answer template: `{column}` (or `{column.field}`) is a column of the data row, `{{` and `}}` are braces.
 *
 * @returns the answer of a sample; null where a column is null in its row
 * @throws GrpoError GRPO_CONFIG for a stray brace; when called, GRPO_DATA for a row without the column
 */
export function compileAnswer(name: string, template: string): (sample: RewardSample) => string | null {
  const parts = parseTemplate(name, template);
  return (sample) => {
    let text = "";
    for (const part of parts) {
      if (typeof part === "string") {
        text += part;
        continue;
      }
      const value = lookUp(sample.record, part.path);
      if (value === undefined) {
        throw new GrpoError(
          "GRPO_DATA",
          `reward "${name}": the data row has no column "${part.path.join(".")}"; it has: ${Object.keys(sample.record).join(", ")}`,
          { exitCode: ExitCode.data, fix: `name a column of the data in the template ${JSON.stringify(template)}` },
        );
      }
      if (value === null) return null;
      text += typeof value === "object" ? JSON.stringify(value) : String(value);
    }
    return text;
  };
}

function parseTemplate(name: string, template: string): (string | { path: string[] })[] {
  const parts: (string | { path: string[] })[] = [];
  for (const match of template.matchAll(/\{\{|\}\}|\{([^{}]+)\}|[^{}]+|[{}]/g)) {
    const [text, column] = match;
    if (column !== undefined) parts.push({ path: column.trim().split(".") });
    else if (text === "{{" || text === "}}") parts.push(text[0]!);
    else if (text === "{" || text === "}") {
      throw new GrpoError("GRPO_CONFIG", `reward "${name}": "${text}" stands alone in ${JSON.stringify(template)}`, {
        exitCode: ExitCode.config,
        fix: 'write {column} for a column of the data, and "{{" or "}}" for a brace',
      });
    } else parts.push(text);
  }
  return parts;
}

function lookUp(record: Record<string, unknown>, path: readonly string[]): unknown {
  let value: unknown = record;
  for (const key of path) {
    if (value === null || typeof value !== "object" || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}
