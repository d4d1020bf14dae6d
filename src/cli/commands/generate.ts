import type { Argv, CommandModule } from "yargs";
import { type ArgumentsOf, numberOption, type OptionsOf } from "../arguments.js";
import { interruptSignal } from "../interrupt.js";

function builder(yargs: Argv) {
  return yargs
    .option("model", { type: "string", requiresArg: true, demandOption: true, describe: "Hugging Face model folder" })
    .option("prompt", { type: "string", requiresArg: true, demandOption: true, describe: "Text to continue" })
    .option("max-tokens", {
      ...numberOption("max-tokens", "Length limit of a completion", { min: 1, integer: true }),
      default: 128,
    })
    .option("temperature", { ...numberOption("temperature", "0 = greedy", { min: 0 }), default: 1 })
    .option("top-p", { ...numberOption("top-p", "Nucleus sampling; 1 = off", { min: 0, max: 1 }), default: 1 })
    .option("top-k", {
      ...numberOption("top-k", "Draw among the k likeliest; 0 = off", { min: 0, integer: true }),
      default: 0,
    })
    .option("min-p", {
      ...numberOption("min-p", "Drop what is below this share of the likeliest; 0 = off", { min: 0, max: 1 }),
      default: 0,
    })
    .option("seed", {
      ...numberOption("seed", "Keys the sampling", { min: 0, max: 0xffffffff, integer: true }),
      default: 17,
    })
    .option("samples", { ...numberOption("samples", "Completions to draw", { min: 1, integer: true }), default: 1 })
    .option("chat", { type: "boolean", describe: "Render the prompt through the model's chat template" })
    .example('$0 generate --model runs/demo/checkpoints/step-000100 --prompt "Once upon a time"', "");
}

async function handler(argv: ArgumentsOf<typeof builder>): Promise<void> {
  const signal = interruptSignal();
  const { generate } = await import("../../pipeline/generate.js");
  const { model, prompt, maxTokens, temperature, topP, topK, minP, seed, samples, chat } = argv;
  const options = { model, prompt, maxTokens, temperature, topP, topK, minP, seed, samples, signal };
  await generate({ ...options, ...(chat !== undefined && { chat }) });
}

export const generateCommand: CommandModule<object, OptionsOf<typeof builder>> = {
  command: "generate",
  describe: "Continue a prompt with a model",
  builder,
  handler,
};
