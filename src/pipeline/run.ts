import { appendFileSync, copyFileSync, existsSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { LoadedConfig } from "../config/load.js";
import { renderResolved, withoutIdle } from "../config/render.js";
import type { Config, Stage } from "../config/schema.js";
import { engineInfo, setThreads } from "../engine/engine-info.js";
import { ExitCode, GrpoError } from "../errors.js";
import { contextLimit } from "../model/config.js";
import { writeAtomic } from "../report/atomic.js";
import { onDisk } from "../report/disk-error.js";
import { renderReport } from "../report/html.js";
import { MetricsLog, readMetrics, type StepMetrics } from "../report/metrics.js";
import { createProgress, type Progress } from "../report/progress.js";
import {
  cutRunFolder,
  discardIfUnused,
  latestCheckpoint,
  openRunFolder,
  type RunFolder,
} from "../report/run-folder.js";
import { TensorboardLog } from "../report/tensorboard.js";
import { type RunState, readState, restoreWeights } from "./checkpoint.js";
import { Health } from "./health.js";
import { longestPath } from "./longest-path.js";
import type { TrainOptions } from "./options.js";
import { type LoadedModel, loadPolicy, policyShape, policyTokenizer } from "./policy-model.js";

/** A run while it goes: its folder, its policy, where it stands. */
export interface Run {
  config: Config;
  folder: RunFolder;
  model: LoadedModel;
  state: RunState;
  /** Checkpoint this process started from, or null. */
  resumed: string | null;
  metrics: MetricsLog;
  events: TensorboardLog;
  signal: AbortSignal;
  health: Health;
  /** Prints a line and keeps it in log.txt. */
  say(text: string): void;
  /** Step of the last checkpoint. */
  savedStep: number;
  /** The view of the current stage. */
  progress: Progress | null;
}

/**
 * Opens the run folder, loads the policy and, when resuming, cuts the folder back to the last checkpoint.
 *
 * @throws GrpoError for everything a user can mend
 */
export async function startRun(loaded: LoadedConfig, options: TrainOptions): Promise<Run> {
  const { config } = loaded;
  checkDevice(config.run.device);
  if (config.run.threads > 0) setThreads(config.run.threads);
  const tokenizer = policyTokenizer(config);
  const { shape } = policyShape(config, tokenizer);
  const load = () => loadPolicy(config, tokenizer, longestPath(config, tokenizer, contextLimit(shape)));
  const path = typeof options.resume === "string" ? resolve(options.resume) : join(config.run.out_dir, config.run.name);
  const existing = options.resume !== undefined ? "resume" : options.overwrite ? "overwrite" : "refuse";
  const folder = openRunFolder(path, existing);
  try {
    return await enterFolder(folder, loaded, options, load);
  } catch (error) {
    if (existing !== "resume") discardIfUnused(folder);
    throw error;
  }
}

async function enterFolder(
  folder: RunFolder,
  loaded: LoadedConfig,
  options: TrainOptions,
  load: () => Promise<LoadedModel>,
): Promise<Run> {
  const { config } = loaded;
  const checkpoint = options.resume === undefined ? null : lastCheckpoint(folder);
  const state = checkpoint === null ? freshState(config) : readState(checkpoint);
  if (checkpoint !== null) checkResume(state, config, checkpoint, options.force);

  // Weights are loaded before anything in the folder changes.
  const model = await load();
  if (checkpoint !== null) {
    await restoreWeights(model, checkpoint);
    cutRunFolder(folder.path, state.step);
  }
  writeAtomic(folder.resolvedConfig, `# kernels: ${engineInfo().isa}\n${renderResolved(loaded)}`);
  keepSource(loaded, folder);
  const metrics = new MetricsLog(folder.metrics);
  metrics.cut(state.step);
  const run: Run = {
    config,
    folder,
    model,
    state: { ...state, config, isa: engineInfo().isa },
    resumed: checkpoint,
    metrics,
    events: new TensorboardLog(folder.path, state.step),
    signal: options.signal,
    savedStep: checkpoint === null ? -1 : state.step,
    progress: null,
    health: new Health(config.run.health, (text) => run.say(text)),
    say(text) {
      if (run.progress !== null) run.progress.message(text);
      else process.stdout.write(`${text}\n`);
      onDisk(folder.log, () => appendFileSync(folder.log, `${text}\n`));
    },
  };
  if (state.isa !== engineInfo().isa) {
    run.say(
      `resumed with ${engineInfo().isa} kernels after ${state.isa}: from step ${state.step + 1} on, results differ in the last bits`,
    );
  }
  return run;
}

/** Writes what one step measured everywhere it belongs. */
export function record(run: Run, metrics: StepMetrics): void {
  run.metrics.append(metrics);
  run.events.append(Number(metrics.step), metrics);
  run.progress?.step(metrics);
  run.health.look(metrics);
}

/** Starts the view of a stage's steps. */
export function showStage(run: Run, stage: Stage): void {
  run.progress?.stop();
  const offset = run.state.step - run.state.stageStep;
  run.progress = createProgress({
    total: offset + stage.train.steps,
    start: run.state.step,
    stream: process.stdout,
    label: stage.name,
  });
}

/** Closes files and frees the policy. */
export function closeRun(run: Run): void {
  run.progress?.stop();
  run.progress = null;
  run.metrics.close();
  run.events.close();
  run.model.decoder.dispose();
  run.model.valueHead?.dispose();
  run.model.rewardHead?.scalar.dispose();
}

/** Writes the static page of what was measured so far. */
export function writeReport({ folder }: Run): void {
  if (readMetrics(folder.metrics).length > 0) writeAtomic(folder.report, renderReport(folder.path));
}

function checkDevice(device: Config["run"]["device"]): void {
  if (device !== "cuda") return;
  throw new GrpoError("GRPO_DEVICE", "run.device is cuda, but this build has no CUDA kernels", {
    exitCode: ExitCode.native,
    fix: "use --device cpu",
  });
}

function lastCheckpoint(folder: RunFolder): string | null {
  return latestCheckpoint(folder.path)?.path ?? null;
}

function freshState(config: Config): RunState {
  return {
    step: 0,
    stage: 0,
    stageStep: 0,
    version: 0,
    optimizerSteps: 0,
    tokens: 0,
    best: null,
    components: {},
    config,
    isa: engineInfo().isa,
  };
}

/** Keys that may differ when a run goes on: they do not change what has happened. */
const free: readonly RegExp[] = [
  /^run\.(name|out_dir|device|threads|health(\..+)?)$/,
  /^stages\.\d+\.train\.(steps|epochs|max_tokens_per_microbatch|activation_checkpointing|layer_(chunk|group)|shared_prefix|reuse_products)$/,
  /^stages\.\d+\.(checkpoint|eval)(\.|$)/,
];

function checkResume(state: RunState, config: Config, checkpoint: string, force: boolean): void {
  const read = ({ run, model, stages }: Config) => ({ run, model, stages: stages.map(withoutIdle) });
  const changed = differences(read(state.config as Config), read(config)).filter(
    (key) => !free.some((rule) => rule.test(key)),
  );
  for (const [i, stage] of config.stages.entries()) {
    const before = (state.config as Config).stages[i]?.train;
    const same = stage.train.steps === before?.steps && stage.train.epochs === (before?.epochs ?? null);
    const fixed = stage.optimizer.schedule.kind === "constant" || same || i > state.stage;
    if (!fixed) changed.push(`stages.${i}.train.steps (the ${stage.optimizer.schedule.kind} schedule depends on it)`);
  }
  if (changed.length > 0) {
    throw new GrpoError(
      "GRPO_RESUME",
      `${checkpoint}: the configuration differs in keys that would change the past: ${changed.join(", ")}`,
      {
        exitCode: ExitCode.config,
        fix: "resume with the same values, or start a new run from the checkpoint with model.path",
      },
    );
  }
  if (state.isa !== engineInfo().isa && !force) {
    throw new GrpoError(
      "GRPO_RESUME",
      `the run used the ${state.isa} kernels, this machine ${engineInfo().isa}: results would differ in the last bits`,
      {
        exitCode: ExitCode.config,
        fix: `set GRPO_ISA=${state.isa}, or go on all the same with --resume --force`,
      },
    );
  }
}

/** Dotted paths of the leaves in which two plain values differ. */
function differences(a: unknown, b: unknown, path = ""): string[] {
  if (typeof a === "object" && a !== null && typeof b === "object" && b !== null) {
    const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
    return [...keys].flatMap((key) =>
      differences(
        (a as Record<string, unknown>)[key],
        (b as Record<string, unknown>)[key],
        path === "" ? key : `${path}.${key}`,
      ),
    );
  }
  return Object.is(a, b) || JSON.stringify(a) === JSON.stringify(b) ? [] : [path];
}

/** A copy of the file the user wrote, so that the run can be repeated from its folder. */
function keepSource(loaded: LoadedConfig, folder: RunFolder): void {
  const target = join(folder.path, "config.yaml");
  if (!existsSync(target) && existsSync(loaded.file)) onDisk(target, () => copyFileSync(loaded.file, target));
}

/** Writes a JSON file of the run folder. */
export function writeJson(path: string, value: unknown): void {
  onDisk(path, () => writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`));
}
