import type { Argv, CommandModule } from "yargs";
import { type ArgumentsOf, numberOption, type OptionsOf } from "../arguments.js";

function builder(yargs: Argv) {
  return yargs
    .positional("dialogues", {
      type: "string",
      demandOption: true,
      describe:
        "Data file with the columns prompt, teacher and groundtruth_with_release_year; ratings and context if any",
    })
    .option("catalog", {
      type: "string",
      requiresArg: true,
      demandOption: true,
      describe: "JSON list of [title, year] or [title, year, about]",
    })
    .option("encoder", {
      type: "string",
      requiresArg: true,
      demandOption: true,
      describe: "Hugging Face folder of a BERT-style encoder",
    })
    .option("out", { type: "string", requiresArg: true, demandOption: true, describe: "File of JSON lines to write" })
    .option("items", { ...numberOption("items", "Length of a list", { min: 1, integer: true }), default: 20 })
    .option("lambda", {
      ...numberOption("lambda", "Weight of the likeness of dialogue and item", { min: 0 }),
      default: 1,
    })
    .option("gamma", { ...numberOption("gamma", "Weight of the teacher's ratings", { min: 0 }), default: 0.5 })
    .option("regularisation", {
      ...numberOption("regularisation", "Keeps the adjustment near none", { min: 0 }),
      default: 0.01,
    })
    .option("steps", {
      ...numberOption("steps", "Steps of the adjustment's fit; 0 = none", { min: 0, integer: true }),
      default: 200,
    })
    .example("$0 lists dialogues.jsonl --catalog catalog.json --encoder ./encoder --out sft.jsonl", "");
}

async function handler(argv: ArgumentsOf<typeof builder>): Promise<void> {
  const { dialogues, catalog, encoder, out, items, lambda, gamma, regularisation, steps } = argv;
  const { writeRankLists } = await import("../../pipeline/rank-lists.js");
  const rows = await writeRankLists(
    { dialogues, catalog, encoder, out },
    { items, lambda, gamma, regularisation, steps },
  );
  process.stdout.write(`${out}: ${rows} rows; teach them in a stage {kind: sft} with data.completion "{completion}"\n`);
}

export const listsCommand: CommandModule<object, OptionsOf<typeof builder>> = {
  command: "lists <dialogues>",
  describe: "Recommendation lists to teach before Rank-GRPO, from a teacher's lists",
  builder,
  handler,
};
