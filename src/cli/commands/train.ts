import type { Argv, CommandModule } from "yargs";
import { type ArgumentsOf, type OptionsOf, programName, usageError } from "../arguments.js";
import { interruptSignal } from "../interrupt.js";

function builder(yargs: Argv) {
  return yargs
    .option("config", { alias: "c", type: "string", requiresArg: true, describe: "YAML file that describes the run" })
    .option("set", {
      type: "string",
      array: true,
      nargs: 1,
      default: [] as string[],
      describe: "Override a key, as in --set train.steps=20; may be repeated",
    })
    .option("resume", {
      type: "string",
      describe: "Continue from the last checkpoint of this run, or of the run folder given",
    })
    .option("force", {
      type: "boolean",
      default: false,
      describe: "With --resume: go on although the run used the kernels of another instruction set",
    })
    .option("overwrite", {
      type: "boolean",
      default: false,
      describe: "Move an existing run folder to NAME.old-N and start anew",
    })
    .option("dry-run", { type: "boolean", default: false, describe: "Check everything, train nothing" })
    .option("device", { choices: ["auto", "cpu", "cuda"] as const, describe: "Where to run; overrides run.device" })
    .example("$0 train --config run.yaml --set optimizer.learning_rate=1e-5", "")
    .example("$0 train --config run.yaml --resume", "");
}

async function handler(argv: ArgumentsOf<typeof builder>): Promise<void> {
  const resume = argv.resume === "" ? true : argv.resume;
  if (argv.config === undefined && typeof resume !== "string") {
    throw usageError("train needs a configuration", "give --config FILE");
  }
  if (resume !== undefined && argv.overwrite) {
    throw usageError("--resume continues a run and --overwrite starts it anew", "give one of the two");
  }
  if (argv.force && resume === undefined) {
    throw usageError("--force goes with --resume: it continues a run on another instruction set", "leave it out");
  }
  const signal = interruptSignal();
  const { resumedConfig } = await import("../../pipeline/resumed-config.js");
  const file = argv.config ?? resumedConfig(resume as string);
  const { loadConfig } = await import("../../config/load.js");
  const set = argv.device === undefined ? argv.set : [...argv.set, `run.device=${argv.device}`];
  const loaded = loadConfig(file, { set });
  const { train } = await import("../../pipeline/train.js");
  const { device } = loaded.config.run;
  const { force, overwrite, dryRun } = argv;
  const folder = await train(loaded, {
    ...(resume !== undefined && { resume }),
    force,
    overwrite,
    dryRun,
    device,
    signal,
  });
  if (folder === null) return;
  const { closingLines } = await import("../../pipeline/closing.js");
  console.log(closingLines(folder, programName()).join("\n"));
}

export const trainCommand: CommandModule<object, OptionsOf<typeof builder>> = {
  command: "train",
  describe: "Train a policy as a configuration says",
  builder,
  handler,
};
