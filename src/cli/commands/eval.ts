import type { Argv, CommandModule } from "yargs";
import { type ArgumentsOf, numberOption, type OptionsOf, usageError } from "../arguments.js";
import { interruptSignal } from "../interrupt.js";

function builder(yargs: Argv) {
  return yargs
    .option("model", { type: "string", requiresArg: true, demandOption: true, describe: "Hugging Face model folder" })
    .option("benchmark", {
      type: "string",
      array: true,
      requiresArg: true,
      demandOption: true,
      describe: "Data files, or names of benchmarks inside --data",
    })
    .option("data", { type: "string", requiresArg: true, describe: "Folder that holds benchmarks by name" })
    .option("samples", {
      ...numberOption("samples", "Completions per prompt", { min: 1, integer: true }),
      default: 1,
    })
    .option("limit", numberOption("limit", "Use the first so many rows", { min: 1, integer: true }))
    .option(
      "temperature",
      numberOption("temperature", "0 = greedy; by default 0 for one sample, 1 for several", { min: 0 }),
    )
    .option("max-completion-tokens", {
      ...numberOption("max-completion-tokens", "Length limit of a completion", { min: 1, integer: true }),
      default: 512,
    })
    .option("template", {
      type: "string",
      requiresArg: true,
      describe: "Prompt with {column}; the column `prompt` when absent",
    })
    .option("answer", {
      type: "string",
      requiresArg: true,
      default: "{answer}",
      describe: "Expected answer with {column}",
    })
    .option("reward", {
      type: "string",
      requiresArg: true,
      default: "exact",
      describe: "How a completion is judged: a reward kind, or the path of a reward module",
    })
    .option(
      "coreset",
      numberOption("coreset", "Choose so many completions unlike each other", { min: 1, integer: true }),
    )
    .option("coreset-lambda", numberOption("coreset-lambda", "Ridge of that choice; 0.01", { min: 1e-9 }))
    .option(
      "coreset-dim",
      numberOption("coreset-dim", "Width that hidden states are projected to for it; 512", { min: 1, integer: true }),
    )
    .option("out", { type: "string", requiresArg: true, describe: "Folder for scores and completions" })
    .option("seed", {
      ...numberOption("seed", "Keys the sampling", { min: 0, max: 0xffffffff, integer: true }),
      default: 17,
    })
    .example("$0 eval --model runs/demo/checkpoints/step-000100 --benchmark test.jsonl --samples 8", "");
}

async function handler(argv: ArgumentsOf<typeof builder>): Promise<void> {
  const signal = interruptSignal();
  const { data, limit, template, out, coreset } = argv;
  if (coreset === undefined && (argv.coresetLambda ?? argv.coresetDim) !== undefined) {
    throw usageError("--coreset-lambda and --coreset-dim belong to --coreset", "give --coreset, or take them away");
  }
  if (coreset !== undefined && coreset >= argv.samples) {
    throw usageError(`--coreset ${coreset}: chooses among --samples ${argv.samples}`, "give more samples than that");
  }
  const { evaluate } = await import("../../pipeline/eval.js");
  await evaluate({
    model: argv.model,
    benchmarks: argv.benchmark,
    samples: argv.samples,
    temperature: argv.temperature ?? (argv.samples === 1 ? 0 : 1),
    maxCompletionTokens: argv.maxCompletionTokens,
    answer: argv.answer,
    reward: argv.reward,
    seed: argv.seed,
    signal,
    ...(data !== undefined && { data }),
    ...(limit !== undefined && { limit }),
    ...(template !== undefined && { template }),
    ...(out !== undefined && { out }),
    ...(coreset !== undefined && {
      coreset: { k: coreset, lambda: argv.coresetLambda ?? 0.01, dim: argv.coresetDim ?? 512 },
    }),
  });
}

export const evalCommand: CommandModule<object, OptionsOf<typeof builder>> = {
  command: "eval",
  describe: "Score a model on data: accuracy, pass@k and avg@k with intervals",
  builder,
  handler,
};
