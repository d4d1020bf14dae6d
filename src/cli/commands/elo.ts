import type { Argv, CommandModule } from "yargs";
import { type ArgumentsOf, numberOption, type OptionsOf } from "../arguments.js";

function builder(yargs: Argv) {
  return yargs
    .positional("matches", {
      type: "string",
      demandOption: true,
      describe: "Data file with the columns first, second (names) and score (of the first: 1, 0.5 or 0)",
    })
    .option("k", { ...numberOption("k", "Most points that one match moves", { min: 0 }), default: 32 })
    .option("initial", { ...numberOption("initial", "Rating before the first match", { min: 0 }), default: 1500 })
    .option("shuffles", {
      ...numberOption("shuffles", "Orders of the matches that the ratings are means over", { min: 1, integer: true }),
      default: 100,
    })
    .option("seed", {
      ...numberOption("seed", "Keys the orders", { min: 0, max: 0xffffffff, integer: true }),
      default: 17,
    })
    .example("$0 elo matches.jsonl", "");
}

async function handler({ matches, k, initial, shuffles, seed }: ArgumentsOf<typeof builder>): Promise<void> {
  const { rateMatches } = await import("../../pipeline/elo.js");
  const ratings = await rateMatches(matches, { k, initial, shuffles, seed });
  const width = Math.max(...ratings.map(([name]) => name.length));
  for (const [name, rating] of ratings) process.stdout.write(`${name.padEnd(width)}  ${rating.toFixed(1)}\n`);
}

export const eloCommand: CommandModule<object, OptionsOf<typeof builder>> = {
  command: "elo <matches>",
  describe: "Elo ratings from comparisons of models in pairs",
  builder,
  handler,
};
