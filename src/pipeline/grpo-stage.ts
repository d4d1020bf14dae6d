import { makeAdvantage } from "../algorithms/advantage/registry.js";
import { makeObjective } from "../algorithms/objective/registry.js";
import { makeShapers } from "../algorithms/shape/registry.js";
import { metricValues } from "../algorithms/tally.js";
import { type MetricLog, mergeNeeds, type Needs, type Objective, statefulParts } from "../algorithms/types.js";
import type { Stage } from "../config/schema.js";
import { type AccuracyHistory, formatAccuracyHistory, withHistory } from "../data/accuracy-history.js";
import { buildTasks } from "../data/prompt.js";
import { createSampler, type PromptSampler } from "../data/sampler.js";
import { selectRecords } from "../data/select.js";
import { readRecords, sourceName } from "../data/source.js";
import { AdamW } from "../engine/adamw.js";
import { keptProducts } from "../model/kept-products.js";
import { ScalarHead } from "../model/scalar-head.js";
import { writeAtomic } from "../report/atomic.js";
import { createRewards, type RewardSet } from "../rewards/reward-set.js";
import { SamplingEngine, type SamplingOptions } from "../rollout/sampling-engine.js";
import { makeStrategies, type Strategies } from "../rollout/strategies.js";
import { Purpose } from "../rollout/stream-key.js";
import { type Group, type Task, trainedTrajectories } from "../tree/episode.js";
import { annotate, annotateUpdated } from "./annotate.js";
import { restoreOptimizer } from "./checkpoint.js";
import { checkpointingOf } from "./checkpointing.js";
import { collectGroups } from "./collect.js";
import { type Evaluation, evaluationOf } from "./evaluation.js";
import { GroupBuffer } from "./group-buffer.js";
import { checkMetricsBy } from "./metrics-by.js";
import { ModelSlots } from "./model-slots.js";
import type { PassOptions } from "./policy.js";
import { parametersOf } from "./policy-model.js";
import { randomWords } from "./random-words.js";
import { rewardMetrics } from "./reward-metrics.js";
import { stageServices } from "./reward-services.js";
import { keepRollouts } from "./rollout-records.js";
import { readTexts, toRows } from "./rows.js";
import { type Run, record, showStage } from "./run.js";
import { SamplerWeights } from "./sampler-weights.js";
import { hintMetrics, lengthMetrics, phraseMetrics, scoreGroups, turnMetrics } from "./scoring.js";
import { checkSlotTokenizers } from "./slot-tokenizers.js";
import { adamwOptions, checkpointStep, finishStage, type Stateful, saysStop, stepMemory, withEpochs } from "./stage.js";
import { updatePolicy } from "./update.js";

/** What a step without an update, or an update without such a part, records. */
const noUpdate = {
  loss: null,
  "kl/mean": null,
  "entropy/mean": null,
  "ratio/clip_low": null,
  "ratio/clip_high": null,
  grad_norm: null,
};

/** Everything a GRPO stage works with, made once. */
export interface GrpoStage {
  stage: Stage;
  tasks: Task[];
  sampler: PromptSampler & { history?: AccuracyHistory };
  strategies: Strategies;
  engine: SamplingEngine;
  /** The engine of evaluations; another one only where the sampler's weights lag behind. */
  evaluator: SamplingEngine;
  weights: SamplerWeights;
  sampling: SamplingOptions;
  rewards: RewardSet;
  objective: Objective;
  needs: Needs;
  slots: ModelSlots;
  buffer: GroupBuffer;
  optimizer: AdamW;
  /** Milliseconds of the step in which nothing was left to do but wait for rewards. */
  rewardWait: number;
  pass: PassOptions;
  evaluation: Evaluation | null;
  /** Parts whose state is in checkpoints. */
  parts: readonly Stateful[];
}

/**
 * Group Relative Policy Optimization: draw groups, score them, turn rewards into advantages, update the policy.
 */
export async function runGrpoStage(run: Run, given: Stage): Promise<void> {
  const weights = Object.fromEntries(given.rewards.map(({ name, weight }) => [name, weight]));
  const shapers = makeShapers(given.shape, given.objective.kl, { weights });
  const advantage = makeAdvantage(given.advantage, { weights });
  const s = await prepare(run, given, [...shapers, advantage]);
  const { stage } = s;
  /** Rows of one pass of the last update. */
  let tokens: number | null = null;
  try {
    showStage(run, stage);
    if (run.state.stageStep === 0) await s.evaluation?.atStart();
    while (run.state.stageStep < stage.train.steps && !saysStop(run)) {
      const started = performance.now();
      s.rewardWait = 0;
      s.weights.begin();
      s.engine.kept = takesOver(s) ? keptProducts(run.model.decoder.config, tokens, s.pass.maxTokens) : null;
      const age = s.weights.lags ? { "rollout/age_steps": s.weights.age } : {};
      const collected = await collectGroups(run, s, (drawn) => rollOut(run, s, drawn));
      const { drawn, counts } = collected;
      const groups = s.buffer.exchange(collected.groups);
      const rolledOut = performance.now();

      const { rows, episodes } = toRows(groups);
      readTexts(rows, stage.rollout.spans, s.needs, run.model.tokenizer);
      await annotate(run, s, rows, episodes);
      const log: MetricLog = { metrics: {} };
      const random = randomWords(run.config.run.seed, run.state.step + 1);
      for (const shaper of shapers) shaper.shape(rows, log, random);
      const advantages = advantage.estimate(rows, log, random);
      rows.forEach((row, i) => {
        row.advantage = advantages[i]!;
      });
      s.sampler.observe(
        drawn.map((group) => ({ task: group.task, rewards: trainedTrajectories(group).map((e) => e.rewards.total) })),
      );
      keepRollouts(run, groups, rows);

      const updateStarted = performance.now();
      const update = await updatePolicy(run, s, rows, episodes);
      s.engine.kept?.dispose();
      s.engine.kept = null;
      tokens = Math.ceil(update["tokens/train_unique"]! / stage.train.updates_per_rollout) || null;
      if (s.needs.updated) await annotateUpdated(run, s, rows, episodes);
      for (const shaper of shapers) shaper.review?.(rows, log);
      const distances = s.slots.advance(run.state.stageStep + 1);
      run.state.step += 1;
      run.state.stageStep += 1;
      const finished = performance.now();
      const seconds = (from: number, to: number) => (to - from) / 1000;
      record(run, {
        step: run.state.step,
        stage: stage.name,
        ...rewardMetrics(drawn, {
          conditional: s.rewards.conditional,
          weights: s.rewards.weights,
          by: stage.data.metrics_by,
        }),
        ...s.rewards.metrics(),
        ...counts,
        "group/trained": groups.length,
        ...age,
        ...(stage.collect.min_rows > 0 ? { "buffer/rows": s.buffer.rows } : {}),
        ...lengthMetrics(drawn),
        ...turnMetrics(drawn),
        ...hintMetrics(drawn),
        ...phraseMetrics(drawn, stage.rollout.phrases),
        ...noUpdate,
        ...metricValues(log),
        ...update,
        ...distances,
        ...s.strategies.training.metrics?.(),
        "time/rollout_s": seconds(started + s.rewardWait, rolledOut),
        "time/reward_s": s.rewardWait / 1000,
        "time/update_s": seconds(updateStarted, finished),
        "time/step_s": seconds(started, finished),
        ...stepMemory(),
        ...(await s.evaluation?.afterStep()),
      });
      await checkpointStep(run, stage, s.optimizer, s.parts, { ...s.slots.saved(), ...s.weights.saved() });
    }
    await finishStage(run, stage, s.optimizer, s.parts, { ...s.slots.saved(), ...s.weights.saved() });
    if (s.sampler.history !== undefined)
      writeAtomic(run.folder.accuracyHistory, formatAccuracyHistory(s.sampler.history));
  } finally {
    // After a failure completions may still be open: first none may come to be scored any more.
    await s.engine.dispose();
    s.engine.kept?.dispose();
    if (s.weights.lags) await s.evaluator.dispose();
    await s.evaluation?.close();
    await s.strategies.training.close?.();
    await s.rewards.close();
    s.weights.dispose();
    s.slots.dispose();
    s.optimizer.dispose();
  }
}

async function prepare(run: Run, given: Stage, parts: readonly { needs: Needs }[]): Promise<GrpoStage> {
  const { decoder, tokenizer } = run.model;
  const { data, rollout, train } = given;
  const { seed } = run.config.run;
  const records = await readRecords(data.train);
  const { tasks, summary } = buildTasks(data.select === null ? records : selectRecords(records, data.select, seed), {
    tokenizer,
    prompt: data.prompt,
    maxPromptTokens: Math.min(data.max_prompt_tokens, decoder.maxLength - 1),
    longPrompts: data.long_prompts,
    source: sourceName(data.train),
  });
  run.say(`${given.name}: ${summary.text}`);
  if (data.metrics_by !== null) checkMetricsBy(tasks, data.metrics_by, sourceName(data.train), (text) => run.say(text));
  const stage = withEpochs(given, tasks.length);
  const otherEnds = checkSlotTokenizers(stage.models, tokenizer);
  const objective = makeObjective(stage.objective, {
    maxCompletionTokens: rollout.max_completion_tokens,
    endsAlike: (slot) => !otherEnds.has(slot),
  });
  const needs = mergeNeeds([...parts, objective]);
  const drawer = createSampler(tasks, stage.sampler.kind, seed);
  const sampler = stage.sampler.history ? withHistory(drawer) : drawer;
  const weights = await SamplerWeights.create(run, stage);
  const engine = new SamplingEngine(weights.decoder, tokenizer, seed);
  // Evaluation always asks the policy itself.
  const evaluator = weights.lags ? new SamplingEngine(decoder, tokenizer, seed) : engine;
  const rewards = await createRewards(stage.rewards, { baseDir: process.cwd(), seed, ...stageServices(stage) });
  const slots = await ModelSlots.create(run, stage, needs);
  if (needs.value) run.model.valueHead ??= new ScalarHead(1, decoder.config.hiddenSize, decoder.dtype);
  const optimizer = new AdamW(parametersOf(run.model), adamwOptions(stage));
  const buffer = new GroupBuffer(stage.collect.min_rows, tasks);
  const strategies = await makeStrategies(rollout, {
    tokenizer,
    seed,
    maxLength: decoder.maxLength,
    prompt: data.prompt,
    greedyBaseline: needs.greedyBaseline === true,
  });
  const stateful: Stateful[] = [
    sampler,
    buffer,
    weights,
    ...objective.stateful,
    ...statefulParts(parts),
    ...(strategies.training.stateful ?? []),
  ];
  if (run.resumed !== null && run.state.stageStep > 0) {
    restoreOptimizer(optimizer, run.resumed);
    for (const part of stateful) part.loadState(run.state.components[part.stateName]);
  }
  const evaluation = await evaluationOf(run, stage, { strategy: strategies.evaluation, engine: evaluator, rewards });
  return {
    stage,
    tasks,
    sampler,
    strategies,
    engine,
    evaluator,
    weights,
    sampling: {
      temperature: rollout.temperature,
      topK: rollout.top_k,
      topP: rollout.top_p,
      minP: rollout.min_p,
      stop: rollout.stop,
      maxTokens: rollout.max_completion_tokens,
    },
    rewards,
    objective,
    needs,
    slots,
    buffer,
    optimizer,
    rewardWait: 0,
    pass: {
      temperature: rollout.temperature,
      vocabSize: tokenizer.size,
      maxTokens: train.max_tokens_per_microbatch,
      sharedPrefix: train.shared_prefix === "on",
      checkpoint: checkpointingOf(train),
    },
    evaluation,
    parts: stateful,
  };
}

/** Whether the update can take the sampler's matrix products over: it starts from the same weights and keeps every activation. */
function takesOver({ stage, weights, pass }: GrpoStage): boolean {
  return stage.train.reuse_products === "on" && !weights.lags && pass.sharedPrefix && pass.checkpoint === false;
}

/** Draws and scores one group per task; groups are scored while others still decode, unless a reward wants the whole step. */
async function rollOut(run: Run, s: GrpoStage, drawn: readonly { task: Task; slot: number }[]): Promise<Group[]> {
  const context = { step: run.state.step + 1, evaluation: false };
  const late = s.rewards.needsWholeStep;
  let drawnAt = performance.now();
  const groups = await Promise.all(
    s.strategies.training.run(drawn, {
      engine: s.engine,
      sampling: s.sampling,
      groupSize: s.stage.rollout.group_size,
      purpose: Purpose.rollout,
      step: context.step,
      version: s.weights.version,
      score: (group) => {
        drawnAt = performance.now();
        return late ? Promise.resolve() : scoreGroups([group], s.rewards, context);
      },
    }),
  );
  if (late) await scoreGroups(groups, s.rewards, context);
  s.rewardWait += performance.now() - drawnAt;
  return groups;
}
