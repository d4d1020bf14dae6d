import { crossEntropy } from "../algorithms/cross-entropy.js";
import type { Stage } from "../config/schema.js";
import { buildExamples, type Example } from "../data/prompt.js";
import { createSampler } from "../data/sampler.js";
import { readRecords, sourceName } from "../data/source.js";
import { AdamW } from "../engine/adamw.js";
import { learningRate } from "../engine/schedule.js";
import { promptSegment } from "../rollout/strategy.js";
import { type Episode, policyLoss, type Task } from "../tree/episode.js";
import { Origin, pathTokens, type Segment } from "../tree/segment.js";
import { restoreOptimizer } from "./checkpoint.js";
import { checkpointingOf } from "./checkpointing.js";
import { evaluationOf } from "./evaluation.js";
import { accumulateGradients, type PassOptions } from "./policy.js";
import { type Run, record, showStage } from "./run.js";
import { onSkipped, skipMetrics } from "./skipped-update.js";
import {
  adamwOptions,
  checkpointStep,
  clearGradients,
  finishStage,
  saysStop,
  stepMemory,
  withEpochs,
} from "./stage.js";

/**
 * Supervised fine-tuning: cross-entropy on the completions of `data.train`, mean over the tokens of the step.
 */
export async function runSftStage(run: Run, given: Stage): Promise<void> {
  const { tokenizer, decoder } = run.model;
  const { data } = given;
  const { examples, summary } = buildExamples(await readRecords(data.train), {
    tokenizer,
    prompt: data.prompt,
    completion: data.completion,
    maxPromptTokens: Math.min(data.max_prompt_tokens, decoder.maxLength - 1),
    longPrompts: data.long_prompts,
    source: sourceName(data.train),
  });
  run.say(`${given.name}: ${summary.text}`);
  const stage = withEpochs(given, examples.length);
  const { train, optimizer: optimizerConfig } = stage;
  const episodes = examples.map((example) => teacherEpisode(example, decoder.maxLength));
  const tasks = examples.map((_, index) => ({ index }) as Task);
  const sampler = createSampler(tasks, stage.sampler.kind, run.config.run.seed);
  const optimizer = new AdamW(decoder.parameters(), adamwOptions(stage));
  const evaluation = await evaluationOf(run, stage);
  if (run.resumed !== null && run.state.stageStep > 0) {
    restoreOptimizer(optimizer, run.resumed);
    sampler.loadState(run.state.components[sampler.stateName]);
  }
  const options: PassOptions & { entropy: boolean } = {
    temperature: 1,
    vocabSize: tokenizer.size,
    maxTokens: train.max_tokens_per_microbatch,
    sharedPrefix: false,
    checkpoint: checkpointingOf(train),
    entropy: false,
  };

  showStage(run, stage);
  if (run.state.stageStep === 0) await evaluation?.atStart();
  while (run.state.stageStep < train.steps && !saysStop(run)) {
    const started = performance.now();
    const batch = sampler.next(train.prompts_per_step).map(({ task }) => episodes[task.index]!);
    const wanted = batch.map(({ loss }) => loss);
    const tokens = wanted.reduce((sum, mask) => sum + mask.reduce((a, b) => a + b, 0), 0);
    let loss = 0;
    const counts = await accumulateGradients(decoder, batch, wanted, options, (indices, said) => {
      const masks = indices.map((e) => wanted[e]!);
      const part = crossEntropy(said.logp, masks, tokens);
      loss += part.loss;
      return part.dlogp.map((dlogp) => ({ dlogp }));
    });
    const rate = learningRate(
      optimizerConfig.schedule,
      run.state.stageStep,
      train.steps,
      optimizerConfig.learning_rate,
    );
    const { gradNorm, skipped } = optimizer.step({
      learningRate: rate,
      maxGradNorm: optimizerConfig.max_grad_norm,
      skipGradNorm: optimizerConfig.skip_grad_norm,
      loss,
    });
    clearGradients(decoder.parameters());
    if (skipped)
      onSkipped(
        run,
        stage,
        { loss, gradNorm },
        batch.map(({ leaf }) => ({ tokens: pathTokens(leaf) })),
      );
    else run.state.version += 1;
    run.state.tokens += counts.logicalTokens;
    run.state.step += 1;
    run.state.stageStep += 1;
    record(run, {
      step: run.state.step,
      stage: stage.name,
      loss: skipped ? null : loss,
      grad_norm: skipped ? null : gradNorm,
      ...skipMetrics(optimizerConfig, Number(skipped)),
      learning_rate: rate,
      "tokens/train_unique": counts.uniqueTokens,
      "tokens/train_logical": counts.logicalTokens,
      "tokens/seen": run.state.tokens,
      "time/update_s": (performance.now() - started) / 1000,
      ...stepMemory(),
      ...(await evaluation?.afterStep()),
    });
    await checkpointStep(run, stage, optimizer, [sampler], {});
  }
  await finishStage(run, stage, optimizer, [sampler], {});
  await evaluation?.close();
  optimizer.dispose();
}

/** A prompt with a completion somebody else wrote: forced tokens with loss. */
function teacherEpisode(example: Example, maxLength: number): Episode {
  const { tokens, promptLength } = example;
  const prompt = promptSegment({ prompt: tokens.subarray(0, promptLength) });
  // What does not fit the context is cut on the right: its loss would need positions the model does not have.
  const completion = tokens.slice(promptLength, maxLength);
  const leaf: Segment = {
    id: prompt.id + 1,
    parent: prompt,
    at: promptLength,
    tokens: completion,
    origin: new Uint8Array(completion.length).fill(Origin.teacher),
    policy: "main",
  };
  return {
    leaf,
    promptLength,
    loss: policyLoss(leaf, promptLength).fill(1),
    spans: {},
    steps: [],
    trajectory: 0,
    role: "train",
    weight: 1,
    behaviour: "recompute",
    finish: "stop",
    text: "",
    rewards: { components: {}, total: Number.NaN },
    trace: {},
  };
}
