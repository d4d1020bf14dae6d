import { readRecipe } from "../config/recipes.js";
import { metricMeaning } from "../report/metric-meaning.js";

/** Columns of a page on the terminal. */
const WIDTH = 110;

/**
 * What `recipes show` prints: what the method is and changes, when to use it, the metrics it adds with their meaning, how to
 * extend it, and the configuration it stands for with its comments.
 *
 * @throws GrpoError GRPO_RECIPE when there is none of that name
 */
export function recipePage(name: string): string {
  const { text, info } = readRecipe(name);
  const facts: [string, string][] = [
    ["paper", info.paper],
    ["touches", info.stage],
    [name === "grpo" ? "against the defaults" : "against GRPO", info.changes],
    ["use when", info.use_when],
  ];
  const label = Math.max(...facts.map(([key]) => key.length)) + 2;
  const metric = Math.max(0, ...info.metrics.map(({ length }) => length)) + 2;
  return [
    `${name}: ${info.summary}`,
    "",
    ...facts.flatMap(([key, value]) => entry(key, value, label)),
    "",
    ...(info.metrics.length === 0
      ? ["It adds no metrics to those of every run."]
      : ["Metrics to watch:", ...info.metrics.flatMap((m) => entry(m, metricMeaning(m), metric))]),
    "",
    "Use it as the base of your own file; what that says itself wins:",
    "",
    ...fileOn(name).map((line) => `  ${line}`),
    "",
    "The recipe is:",
    "",
    ...configurationOf(text).map((line) => (line === "" ? "" : `  ${line}`)),
    "",
  ].join("\n");
}

/** The lines of a file that extends a recipe, with what the recipe needs of it. */
export function fileOn(name: string): string[] {
  const own = readRecipe(name).info.example.trimEnd().split("\n");
  const data = own.some((line) => line.startsWith("data:")) ? [] : ["data: {train: {path: train.jsonl}}"];
  return [`extends: recipe:${name}`, "model: {path: ./model} # a Hugging Face folder", ...data, ...own];
}

/** The lines of a recipe without its `recipe` block, which the page tells in words. */
function configurationOf(text: string): string[] {
  const lines = text.trimEnd().split("\n");
  const start = lines.findIndex((line) => line.startsWith("recipe:"));
  const length = lines.slice(start + 1).findIndex((line) => !line.startsWith(" "));
  const rest = lines.slice(start + 1 + length);
  return [...lines.slice(0, start), ...(rest[0] === "" ? rest.slice(1) : rest)];
}

/** `  key   value`, the value broken at words and indented. */
function entry(key: string, value: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of value.split(" ")) {
    const open = lines.at(-1);
    if (open !== undefined && open.length + word.length < WIDTH - width - 2)
      lines[lines.length - 1] = `${open} ${word}`;
    else lines.push(word);
  }
  return lines.map((line, i) => `  ${(i === 0 ? key : "").padEnd(width)}${line}`);
}
