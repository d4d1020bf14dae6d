import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import * as z from "zod";
import { ExitCode, GrpoError } from "../errors.js";
import { nearest } from "./nearest.js";

/** The `recipe` block that opens a recipe's file and says what it is; no part of the configuration. */
export const recipeSchema = z.strictObject({
  summary: z.string(),
  stage: z.string(),
  paper: z.string(),
  changes: z.string(),
  /** What a file on this recipe says beside its model, in YAML; with `data:` also in place of a plain data file. */
  example: z.string().default('rewards: [{name: accuracy, kind: exact, answer: "{answer}"}]\n'),
  metrics: z.array(z.string()).default([]),
  use_when: z.string(),
  /** Source files that hold the method, from the root of the repository: what it adds to the core of GRPO. */
  files: z.array(z.string()).default([]),
});

export type RecipeInfo = z.output<typeof recipeSchema>;

const folder = fileURLToPath(new URL("../../../configs/recipes/", import.meta.url));

/** Names of the recipes that ship with the program, sorted. */
export function recipeNames(): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".yaml"))
    .map((name) => name.slice(0, -".yaml".length))
    .sort();
}

/** Path of a recipe. Throws GRPO_RECIPE with the nearest name when there is none. */
export function recipePath(name: string): string {
  const names = recipeNames();
  if (names.includes(name)) return join(folder, `${name}.yaml`);
  const like = nearest(name, names);
  throw new GrpoError("GRPO_RECIPE", `no recipe is named "${name}"`, {
    exitCode: ExitCode.config,
    fix: like === undefined ? "see `grpo recipes list`" : `did you mean "${like}"?`,
  });
}

/** Text and `recipe` block of a recipe. Throws GRPO_RECIPE when there is none of that name. */
export function readRecipe(name: string): { text: string; info: RecipeInfo } {
  const text = readFileSync(recipePath(name), "utf8");
  return { text, info: recipeSchema.parse((parse(text) as { recipe?: unknown }).recipe) };
}
