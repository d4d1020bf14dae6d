import type { Argv, CommandModule } from "yargs";
import type { ArgumentsOf, OptionsOf } from "../arguments.js";

function builder(yargs: Argv) {
  return yargs
    .option("checkpoint", {
      type: "string",
      requiresArg: true,
      demandOption: true,
      describe: "Checkpoint folder of a run, or any model folder",
    })
    .option("format", {
      choices: ["hf"] as const,
      default: "hf" as const,
      describe: "hf: a Hugging Face folder with safetensors",
    })
    .option("out", { type: "string", requiresArg: true, demandOption: true, describe: "Folder to write" })
    .option("verify", {
      type: "boolean",
      default: false,
      describe: "Load the result again and compare its logits",
    })
    .example("$0 export --checkpoint runs/demo/checkpoints/step-000100 --out model --verify", "");
}

async function handler({ checkpoint, format, out, verify }: ArgumentsOf<typeof builder>): Promise<void> {
  const { exportCheckpoint } = await import("../../pipeline/export.js");
  await exportCheckpoint({ checkpoint, format, out, verify });
}

export const exportCommand: CommandModule<object, OptionsOf<typeof builder>> = {
  command: "export",
  describe: "Write a checkpoint as a model that other programs load",
  builder,
  handler,
};
