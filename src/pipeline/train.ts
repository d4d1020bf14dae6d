import type { LoadedConfig } from "../config/load.js";
import type { Stage } from "../config/schema.js";
import { ExitCode, GrpoError } from "../errors.js";
import { discardIfUnused } from "../report/run-folder.js";
import { runGrpoStage } from "./grpo-stage.js";
import type { TrainOptions } from "./options.js";
import { rehearsal } from "./rehearsal.js";
import { runRewardModelStage } from "./reward-model-stage.js";
import { closeRun, type Run, startRun, writeReport } from "./run.js";
import { runSftStage } from "./sft-stage.js";

/**
 * Trains what a configuration describes, stage by stage, and leaves everything in the run folder. A dry run goes through one
 * small step of every stage in a folder that is then removed.
 *
 * @returns the run folder; null after a dry run
 * @throws GrpoError GRPO_INTERRUPTED (exit code 130) after saving, when `options.signal` was aborted
 */
export async function train(loaded: LoadedConfig, options: TrainOptions): Promise<string | null> {
  if (options.dryRun) {
    await rehearsal(loaded, options, train);
    return null;
  }
  const run = await startRun(loaded, options);
  try {
    await runStages(run);
    writeReport(run);
    return run.folder.path;
  } catch (error) {
    leaveReport(run);
    throw error;
  } finally {
    closeRun(run);
    if (run.resumed === null && !run.signal.aborted) discardIfUnused(run.folder);
  }
}

const runners: Record<Stage["kind"], (run: Run, stage: Stage) => Promise<void>> = {
  sft: runSftStage,
  grpo: runGrpoStage,
  reward_model: runRewardModelStage,
};

async function runStages(run: Run): Promise<void> {
  const { stages } = run.config;
  while (run.state.stage < stages.length) {
    const stage = stages[run.state.stage]!;
    await runners[stage.kind](run, stage);
    if (run.signal.aborted) {
      const saved = run.savedStep < 0 ? "nothing was trained yet" : "the run is saved";
      throw new GrpoError("GRPO_INTERRUPTED", `interrupted after step ${run.state.step}; ${saved}`, {
        exitCode: ExitCode.aborted,
        fix: "continue it with --resume",
      });
    }
    run.state.stage += 1;
    run.state.stageStep = 0;
    run.state.components = {};
  }
}

/** The report of a run that failed, if the disk takes it: the failure is what must be told. */
function leaveReport(run: Run): void {
  try {
    writeReport(run);
  } catch (error) {
    if (!(error instanceof GrpoError)) throw error;
  }
}
