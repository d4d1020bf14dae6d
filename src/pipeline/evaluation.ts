import type { Stage } from "../config/schema.js";
import { buildTasks } from "../data/prompt.js";
import { readRecords, sourceName } from "../data/source.js";
import { readMetrics } from "../report/metrics.js";
import { type Estimate, evaluation as scoreEvaluation } from "../report/statistics.js";
import { createRewards, type RewardSet } from "../rewards/reward-set.js";
import { SamplingEngine, type SamplingOptions } from "../rollout/sampling-engine.js";
import { makeStrategies } from "../rollout/strategies.js";
import type { RolloutStrategy } from "../rollout/strategy.js";
import { Purpose } from "../rollout/stream-key.js";
import { type Group, type Task, trainedTrajectories } from "../tree/episode.js";
import { rewardMetrics } from "./reward-metrics.js";
import { stageServices } from "./reward-services.js";
import { type Run, record } from "./run.js";
import { lengthMetrics, phraseMetrics, scoreGroups, turnMetrics } from "./scoring.js";

/** Completions of tasks, scored. */
export interface EvaluationResult {
  groups: Group[];
  metrics: Record<string, number>;
  /** Whether each completion is right, where some component tells. */
  right: boolean[][] | null;
  /** Share of right completions and pass@k, where some component tells right from wrong. */
  accuracy: Estimate | null;
  pass: Map<number, Estimate>;
}

/**
 * Draws `samples` completions per task and scores them. Every evaluation uses the same random numbers, so that two of them
 * differ by the weights alone.
 */
export async function evaluateTasks(
  tasks: readonly Task[],
  options: {
    strategy: RolloutStrategy;
    engine: SamplingEngine;
    rewards: RewardSet;
    sampling: SamplingOptions;
    samples: number;
    step: number;
    version: number;
    /** `data.metrics_by` and `rollout.phrases` of the stage. */
    by?: string | null;
    phrases?: Readonly<Record<string, string>>;
  },
): Promise<EvaluationResult> {
  const { strategy, engine, rewards, sampling, samples, step, version, by = null, phrases = {} } = options;
  const context = { step, evaluation: true };
  const late = rewards.needsWholeStep;
  const groups = await Promise.all(
    strategy.run(
      tasks.map((task, slot) => ({ task, slot })),
      {
        engine,
        sampling,
        groupSize: samples,
        purpose: Purpose.evaluation,
        step: 0,
        version,
        score: (group) => (late ? Promise.resolve() : scoreGroups([group], rewards, context)),
      },
    ),
  );
  if (late) await scoreGroups(groups, rewards, context);
  const right = judged(groups);
  const metrics: Record<string, number> = {
    ...rewardMetrics(groups, { conditional: rewards.conditional, weights: rewards.weights, by }),
    // Taken here, so that what an evaluation logs does not count as the next step's.
    ...rewards.metrics(),
    ...lengthMetrics(groups),
    ...turnMetrics(groups),
    ...strategy.metrics?.(),
    ...phraseMetrics(groups, phrases),
  };
  if (right === null) return { groups, metrics, right, accuracy: null, pass: new Map() };
  const { average, pass } = scoreEvaluation(right);
  metrics.accuracy = average.value;
  metrics.accuracy_low = average.low;
  metrics.accuracy_high = average.high;
  for (const [k, { value }] of pass) if (k > 1) metrics[`pass@${k}`] = value;
  if (by !== null) Object.assign(metrics, accuracyBy(groups, right, by));
  return { groups, metrics, right, accuracy: average, pass };
}

/**
 * Whether each completion is right: by the component called `accuracy`, else by the only one, where its values are 0 and 1.
 */
function judged(groups: readonly Group[]): boolean[][] | null {
  const trajectories = groups.map(trainedTrajectories);
  const names = Object.keys(groups[0]?.episodes[0]?.rewards.components ?? {});
  const name = names.includes("accuracy") ? "accuracy" : names.length === 1 ? names[0]! : null;
  if (name === null) return null;
  const values = trajectories.map((own) => own.map(({ rewards }) => rewards.components[name]?.values[0]));
  return values.flat().every((value) => value === 0 || value === 1)
    ? values.map((row) => row.map((v) => v === 1))
    : null;
}

/** Share of right completions for each value of a column of the data. */
function accuracyBy(groups: readonly Group[], right: readonly boolean[][], column: string): Record<string, number> {
  const parts = new Map<string, boolean[]>();
  groups.forEach(({ task }, i) => {
    const value = task.record[column];
    if (value !== undefined && value !== null) {
      parts.set(String(value), [...(parts.get(String(value)) ?? []), ...right[i]!]);
    }
  });
  return Object.fromEntries(
    [...parts].map(([value, all]) => [`accuracy@${value}`, all.filter(Boolean).length / all.length]),
  );
}

/** The evaluation of a stage as its steps go by. */
export interface Evaluation {
  /** Before the first step, unless the config says no. */
  atStart(): Promise<void>;
  /** Metrics to add to the step's record; nothing where none is due. */
  afterStep(): Promise<Record<string, number>>;
  close(): Promise<void>;
}

/** Prepares `eval` of a stage, or null where it has none. */
export async function evaluationOf(
  run: Run,
  stage: Stage,
  shared?: { strategy: RolloutStrategy; engine: SamplingEngine; rewards: RewardSet },
): Promise<Evaluation | null> {
  const config = stage.eval;
  if (config === null) return null;
  const { tokenizer, decoder } = run.model;
  const records = await readRecords(config.data);
  const { tasks, summary } = buildTasks(config.limit === undefined ? records : records.slice(0, config.limit), {
    tokenizer,
    prompt: stage.data.prompt,
    maxPromptTokens: Math.min(stage.data.max_prompt_tokens, decoder.maxLength - 1),
    longPrompts: stage.data.long_prompts,
    source: sourceName(config.data),
  });
  run.say(`${stage.name}: evaluation on ${summary.text}`);
  const engine = shared?.engine ?? new SamplingEngine(decoder, tokenizer, run.config.run.seed);
  const rewards =
    shared?.rewards ??
    (await createRewards(stage.rewards, {
      baseDir: process.cwd(),
      seed: run.config.run.seed,
      ...stageServices(stage),
    }));
  const { rollout } = stage;
  const strategy =
    shared?.strategy ??
    (
      await makeStrategies(rollout, {
        tokenizer,
        seed: run.config.run.seed,
        maxLength: decoder.maxLength,
        prompt: stage.data.prompt,
      })
    ).evaluation;
  const sampling: SamplingOptions = {
    temperature: config.temperature ?? rollout.temperature,
    topK: rollout.top_k,
    topP: rollout.top_p,
    minP: rollout.min_p,
    stop: rollout.stop,
    maxTokens: config.max_completion_tokens ?? rollout.max_completion_tokens,
  };

  const evaluate = async () => {
    const { metrics, accuracy } = await evaluateTasks(tasks, {
      strategy,
      engine,
      rewards,
      sampling,
      samples: config.samples,
      step: run.state.step,
      version: run.state.version,
      by: stage.data.metrics_by,
      phrases: rollout.phrases,
    });
    return {
      metrics,
      text: `${describe(metrics, accuracy)}, ${tasks.length} ${tasks.length === 1 ? "prompt" : "prompts"}`,
    };
  };
  const close = async () => {
    if (shared !== undefined) return;
    await strategy.close?.();
    await engine.dispose();
    await rewards.close();
  };
  return scheduled(run, stage, config, evaluate, close);
}

/** An evaluation at the steps that `eval` names, told, recorded as `eval/*` and watched for the best checkpoint. */
export function scheduled(
  run: Run,
  stage: Stage,
  config: NonNullable<Stage["eval"]>,
  evaluate: () => Promise<{ metrics: Record<string, number>; text: string }>,
  close: () => Promise<void>,
): Evaluation {
  const told = async (): Promise<Record<string, number>> => {
    const { metrics, text } = await evaluate();
    run.say(`evaluation at step ${run.state.step}: ${text}`);
    const named = Object.fromEntries(Object.entries(metrics).map(([name, value]) => [`eval/${name}`, value]));
    const watched = stage.checkpoint.keep_best === null ? undefined : named[stage.checkpoint.keep_best];
    if (watched !== undefined && run.state.step > 0 && (run.state.best === null || watched > run.state.best.value)) {
      run.state.best = { value: watched, step: run.state.step };
    }
    return named;
  };
  return {
    async atStart() {
      if (!config.at_start) return;
      const last = readMetrics(run.folder.metrics).at(-1);
      // A resumed run may find the evaluation done: it was recorded after the checkpoint it starts from.
      const done =
        last?.step === run.state.step &&
        last.stage === stage.name &&
        Object.keys(last).some((name) => name.startsWith("eval/"));
      if (!done) record(run, { step: run.state.step, stage: stage.name, ...(await told()) });
    },
    async afterStep() {
      const { stageStep } = run.state;
      const due = (config.every > 0 && stageStep % config.every === 0) || stageStep === stage.train.steps;
      return due ? told() : {};
    },
    close,
  };
}

/** `accuracy 35.2 % (95 % interval 32.1 to 38.4)`, or the mean reward where nothing tells right from wrong. */
export function describe(metrics: Record<string, number>, accuracy: Estimate | null): string {
  if (accuracy === null) return `reward ${metrics["reward/mean"]!.toFixed(3)}`;
  const percent = (x: number) => (100 * x).toFixed(1);
  const { value, low, high } = accuracy;
  const interval = Number.isNaN(low)
    ? "no interval from one prompt"
    : `95 % interval ${percent(low)} to ${percent(high)}`;
  return `accuracy ${percent(value)} % (${interval})`;
}
