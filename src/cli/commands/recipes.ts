import type { Argv, CommandModule } from "yargs";

async function list(): Promise<void> {
  const { readRecipe, recipeNames } = await import("../../config/recipes.js");
  const rows = recipeNames().map((name) => ({ name, info: readRecipe(name).info }));
  const width = Math.max(...rows.map(({ name }) => name.length));
  for (const { name, info } of rows) {
    process.stdout.write(`${name.padEnd(width)}  ${info.summary}\n`);
    process.stdout.write(`${" ".repeat(width)}  touches ${info.stage}; ${info.paper}\n`);
  }
  process.stdout.write("\nOne in full: grpo recipes show NAME. In a configuration: `extends: recipe:NAME`.\n");
}

async function show({ name }: { name: string }): Promise<void> {
  const { recipePage } = await import("../../pipeline/recipe-page.js");
  process.stdout.write(recipePage(name));
}

export const recipesCommand: CommandModule = {
  command: "recipes",
  describe: "Published methods as configurations to extend",
  builder: (yargs: Argv) =>
    yargs
      .command("list", "All recipes, a line each with the paper", {}, list)
      .command(
        "show <name>",
        "One recipe: what it changes, and its YAML",
        (y: Argv) => y.positional("name", { type: "string", demandOption: true, describe: "As in `recipes list`" }),
        show,
      )
      .demandCommand(1, "name an action: list or show"),
  handler: () => {},
};
