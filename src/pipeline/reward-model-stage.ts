import { emptyTally, metricValues } from "../algorithms/tally.js";
import type { Tally } from "../algorithms/types.js";
import type { Stage } from "../config/schema.js";
import { createSampler } from "../data/sampler.js";
import { AdamW } from "../engine/adamw.js";
import { learningRate } from "../engine/schedule.js";
import type { Decoder } from "../model/decoder.js";
import { newRewardHead, type RewardHead, rewardParameters } from "../model/reward-model.js";
import type { Task } from "../tree/episode.js";
import { pathTokens } from "../tree/segment.js";
import { restoreOptimizer } from "./checkpoint.js";
import { checkpointingOf } from "./checkpointing.js";
import { type Evaluation, scheduled } from "./evaluation.js";
import type { PassOptions } from "./policy.js";
import { judgeScores, type RewardRow, readRewardRows, rewardLabels, rowLoss } from "./reward-rows.js";
import { type Run, record, showStage } from "./run.js";
import { accumulateTextGradients, scoreTexts } from "./scored-texts.js";
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
 * Turns the model into a reward model: a linear head on its final hidden states, trained with the trunk on pairs of responses
 * (Bradley-Terry) or on scores of responses (masked regression). Its checkpoints are Hugging Face sequence classifiers.
 */
export async function runRewardModelStage(run: Run, given: Stage): Promise<void> {
  const { model } = run;
  const { rows, text } = await readRewardRows(model, given, given.data.train);
  const stage = withEpochs(given, rows.length);
  const { train, optimizer: optimizerConfig } = stage;
  run.say(`${stage.name}: ${text}`);
  model.rewardHead ??= newRewardHead(model.decoder, rewardLabels(stage.reward_model));
  const head = model.rewardHead;
  const parameters = rewardParameters(model.decoder, head);
  const optimizer = new AdamW(parameters, adamwOptions(stage));
  const tasks = rows.map((_, index) => ({ index }) as Task);
  const sampler = createSampler(tasks, stage.sampler.kind, run.config.run.seed);
  if (run.resumed !== null && run.state.stageStep > 0) {
    restoreOptimizer(optimizer, run.resumed);
    sampler.loadState(run.state.components[sampler.stateName]);
  }
  const pass: PassOptions = {
    temperature: 1,
    vocabSize: model.tokenizer.size,
    maxTokens: train.max_tokens_per_microbatch,
    sharedPrefix: true,
    checkpoint: checkpointingOf(train),
  };
  const evaluation = await evaluationOf(run, stage, head, pass);
  try {
    showStage(run, stage);
    if (run.state.stageStep === 0) await evaluation?.atStart();
    while (run.state.stageStep < train.steps && !saysStop(run)) {
      const started = performance.now();
      const batch = sampler.next(train.prompts_per_step).map(({ task }) => rows[task.index]!);
      const { tally, counts } = await batchGradients(model.decoder, head, batch, pass);
      const { stageStep } = run.state;
      const rate = learningRate(optimizerConfig.schedule, stageStep, train.steps, optimizerConfig.learning_rate);
      const { loss } = tally;
      const { gradNorm, skipped } = optimizer.step({
        learningRate: rate,
        maxGradNorm: optimizerConfig.max_grad_norm,
        skipGradNorm: optimizerConfig.skip_grad_norm,
        loss,
      });
      clearGradients(parameters);
      if (skipped) onSkipped(run, stage, { loss, gradNorm }, batch.map(dumpOf));
      else run.state.version += 1;
      run.state.tokens += counts.logicalTokens;
      run.state.step += 1;
      run.state.stageStep += 1;
      record(run, {
        step: run.state.step,
        stage: stage.name,
        ...metricValues(tally),
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
  } finally {
    optimizer.dispose();
  }
}

/** What helps to find out why a step has no finite gradient. */
function dumpOf({ episodes, targets }: RewardRow): object {
  return { texts: episodes.map(({ leaf }) => pathTokens(leaf)), targets };
}

/** Loss and gradients of the rows of a step: the mean over pairs, or over known labels. */
async function batchGradients(decoder: Decoder, head: RewardHead, batch: readonly RewardRow[], pass: PassOptions) {
  const episodes = batch.flatMap((row) => row.episodes);
  const owners = batch.flatMap((row, r) => row.episodes.map(() => r));
  const count = Math.max(
    batch.reduce((sum, row) => sum + row.count, 0),
    1,
  );
  const tally: Tally = emptyTally();
  const counts = await accumulateTextGradients(decoder, head, episodes, pass, (indices, scores) => {
    const gradients = new Array<Float64Array>(indices.length);
    for (const r of new Set(indices.map((e) => owners[e]!))) {
      const own = [...indices.keys()].filter((k) => owners[indices[k]!] === r);
      const { loss, dscores } = rowLoss(
        batch[r]!,
        own.map((k) => scores[k]!),
        head.labels,
        tally,
      );
      tally.loss += loss / count;
      own.forEach((k, side) => {
        gradients[k] = dscores[side]!.map((value) => value / count);
      });
    }
    return gradients;
  });
  return { tally, counts };
}

/** Accuracy on pairs, or error and correlation per label, of the rows of `eval.data`. */
async function evaluationOf(run: Run, stage: Stage, head: RewardHead, pass: PassOptions): Promise<Evaluation | null> {
  const config = stage.eval;
  if (config === null) return null;
  const { rows, text } = await readRewardRows(run.model, stage, config.data, config.limit);
  run.say(`${stage.name}: evaluation on ${text}`);
  const episodes = rows.flatMap((row) => row.episodes);
  const evaluate = async () => {
    const scores = await scoreTexts(run.model.decoder, head, episodes, pass);
    const texts = rows[0]!.episodes.length;
    const ofRows = rows.map((_, i) => scores.slice(i * texts, (i + 1) * texts));
    const metrics = judgeScores(rows, ofRows, head.labels);
    const told = Object.entries(metrics).map(([name, value]) => `${name} ${value.toFixed(3)}`);
    return { metrics, text: `${told.join(", ")}, ${rows.length} rows` };
  };
  return scheduled(run, stage, config, evaluate, async () => {});
}
