import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { readRecipe, recipeNames } from "../../src/config/recipes.js";
import { fileOn, recipePage } from "../../src/pipeline/recipe-page.js";
import { load } from "./config-files.js";

for (const name of recipeNames()) {
  test(`the page of ${name} shows a file that loads as it stands, and the whole recipe`, () => {
    const file = `${fileOn(name).join("\n")}\n`;
    const { config } = load(file);
    assert.ok(config.stages[0]!.rewards.length > 0);
    const page = recipePage(name);
    for (const line of file.trimEnd().split("\n")) assert.ok(page.includes(`\n  ${line}\n`), line);
    const { text, info } = readRecipe(name);
    const shown = page.slice(page.indexOf("The recipe is:\n") + "The recipe is:\n".length);
    const { recipe: _, ...sections } = parse(text) as Record<string, unknown>;
    assert.deepEqual(parse(shown), sections);
    for (const metric of info.metrics) assert.ok(page.includes(`\n  ${metric} `), metric);
    assert.ok(page.split("\n").every((line) => line.length <= 140));
  });
}
