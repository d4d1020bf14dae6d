import type { StatefulComponent } from "../algorithms/types.js";
import type { Stage } from "../config/schema.js";
import { stepsOf } from "../data/steps.js";
import type { AdamW } from "../engine/adamw.js";
import { memoryStats, resetMemoryPeak } from "../engine/engine-info.js";
import type { Parameter } from "../engine/parameter.js";
import { ExitCode, GrpoError } from "../errors.js";
import { pruneOld, type SavedModel, saveCheckpoint } from "./checkpoint.js";
import type { Run } from "./run.js";

/** Parts of a stage whose state goes into checkpoints. */
export type Stateful = Pick<StatefulComponent, "stateName" | "saveState" | "loadState">;

/** The optimizer's options as the engine names them. */
export function adamwOptions({ optimizer }: Stage) {
  return {
    beta1: optimizer.beta1,
    beta2: optimizer.beta2,
    epsilon: optimizer.epsilon,
    weightDecay: optimizer.weight_decay,
    moments: optimizer.moments,
  };
}

/**
 * The stage with the steps that its epochs make of `rows` rows of data.
 *
 * @throws GrpoError GRPO_DATA when the data do not fill one step
 */
export function withEpochs(stage: Stage, rows: number): Stage {
  const { epochs, prompts_per_step } = stage.train;
  if (epochs === null) return stage;
  const { total } = stepsOf(rows, prompts_per_step, epochs);
  if (total > 0) return { ...stage, train: { ...stage.train, steps: total } };
  throw new GrpoError("GRPO_DATA", `${stage.name}: ${rows} rows do not fill a step of ${prompts_per_step}`, {
    exitCode: ExitCode.data,
    fix: "lower train.prompts_per_step, or give train.steps in place of train.epochs",
  });
}

/** Forgets the gradients of a minibatch; their memory waits for the next. */
export function clearGradients(parameters: readonly Parameter[]): void {
  for (const parameter of parameters) parameter.resetGrad();
}

/** Whether the user asked to stop. */
export function saysStop(run: Run): boolean {
  return run.signal.aborted;
}

/** Peak of native memory since the last step, and of the process. */
export function stepMemory(): Record<string, number> {
  const peak = memoryStats().peakBytes;
  resetMemoryPeak();
  return { "memory/tensors_peak_mb": peak / 2 ** 20, "memory/peak_mb": process.resourceUsage().maxRSS / 1024 };
}

/** Saves when the step is due, and keeps the folder small. */
export async function checkpointStep(
  run: Run,
  stage: Stage,
  optimizer: AdamW,
  parts: readonly Stateful[],
  models: Readonly<Record<string, SavedModel>>,
): Promise<void> {
  const { every } = stage.checkpoint;
  const due = every > 0 && run.state.stageStep % every === 0;
  const best = run.state.best?.step === run.state.step;
  if (due || best || run.signal.aborted) await save(run, stage, optimizer, parts, models);
}

/** The end of a stage: a checkpoint if the last step made none. */
export async function finishStage(
  run: Run,
  stage: Stage,
  optimizer: AdamW,
  parts: readonly Stateful[],
  models: Readonly<Record<string, SavedModel>>,
): Promise<void> {
  if (run.signal.aborted) return;
  if (run.savedStep !== run.state.step) await save(run, stage, optimizer, parts, models);
}

async function save(
  run: Run,
  stage: Stage,
  optimizer: AdamW,
  parts: readonly Stateful[],
  models: Readonly<Record<string, SavedModel>>,
): Promise<void> {
  run.state.optimizerSteps = optimizer.steps;
  run.state.components = Object.fromEntries(parts.map((part) => [part.stateName, part.saveState()]));
  await saveCheckpoint(run.folder, { model: run.model, optimizer, state: run.state, models });
  run.savedStep = run.state.step;
  pruneOld(run.folder, stage.checkpoint.keep_last, run.state);
}
