import type { LoadedConfig } from "../config/load.js";
import { ExitCode, GrpoError } from "../errors.js";
import { runGrpoStage } from "./grpo-stage.js";
import type { TrainOptions } from "./options.js";
import { closeRun, startRun } from "./run.js";
import { runSftStage } from "./sft-stage.js";

/**
 * Trains what a configuration describes, stage by stage, and leaves everything in the run folder.
 *
 * @throws GrpoError GRPO_INTERRUPTED (exit code 130) after saving, when `options.signal` was aborted
 */
export async function train(loaded: LoadedConfig, options: TrainOptions): Promise<void> {
  const run = await startRun(loaded, options);
  try {
    const { stages } = run.config;
    while (run.state.stage < stages.length) {
      const stage = stages[run.state.stage]!;
      if (stage.kind === "sft") await runSftStage(run, stage);
      else await runGrpoStage(run, stage);
      if (options.signal.aborted) {
        throw new GrpoError("GRPO_INTERRUPTED", `interrupted after step ${run.state.step}; the run is saved`, {
          exitCode: ExitCode.aborted,
          fix: "continue it with --resume",
        });
      }
      run.state.stage += 1;
      run.state.stageStep = 0;
      run.state.components = {};
    }
    run.say(`done: ${run.folder.path}`);
  } finally {
    closeRun(run);
  }
}
