import { ExitCode, GrpoError } from "../errors.js";
import { SamplingEngine } from "../rollout/sampling-engine.js";
import { promptSegment } from "../rollout/strategy.js";
import { Purpose } from "../rollout/stream-key.js";
import type { GenerateOptions } from "./options.js";
import { loadModelFolder } from "./policy-model.js";

/**
 * Continues a prompt and prints the completions.
 *
 * @throws GrpoError GRPO_DATA (exit code 4) when the prompt is empty or leaves no room in the model's context
 */
export async function generate(options: GenerateOptions): Promise<void> {
  const { decoder, tokenizer } = await loadModelFolder(options.model);
  const engine = new SamplingEngine(decoder, tokenizer, options.seed);
  try {
    const prompt =
      options.chat === true
        ? tokenizer.encode(
            tokenizer.renderChat([{ role: "user", content: options.prompt }], { addGenerationPrompt: true }),
            { addSpecialTokens: false },
          )
        : tokenizer.encode(options.prompt);
    if (prompt.length === 0 || prompt.length >= decoder.maxLength) {
      throw new GrpoError(
        "GRPO_DATA",
        `the prompt has ${prompt.length} tokens; the model takes 1 to ${decoder.maxLength - 1}`,
        {
          exitCode: ExitCode.data,
          fix: "give a shorter prompt that is not empty",
        },
      );
    }
    const keys = Array.from({ length: options.samples }, (_, sample) => ({
      purpose: Purpose.generate,
      step: 0,
      slot: 0,
      sample,
      turn: 0,
    }));
    const drawn = await engine.sample(promptSegment({ prompt }), keys, {
      temperature: options.temperature,
      topK: options.topK,
      topP: options.topP,
      minP: options.minP,
      stop: [],
      maxTokens: options.maxTokens,
    });
    // The whole path is decoded, because a decoder may drop the space a completion starts with.
    for (const { text, tokens } of drawn) {
      console.log(options.chat === true ? text : tokenizer.decode(Int32Array.from([...prompt, ...tokens])));
    }
  } finally {
    await engine.dispose();
    decoder.dispose();
  }
}
