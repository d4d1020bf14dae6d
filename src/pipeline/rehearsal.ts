import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LoadedConfig } from "../config/load.js";
import type { Config, Stage } from "../config/schema.js";
import { runExists } from "../report/run-folder.js";
import type { TrainOptions } from "./options.js";

/** Tokens of a completion of a dry run. */
const SHORT = 16;

/**
 * The dry run: one prompt per stage through the whole step (data, rollout, rewards, update, checkpoint) in a temporary folder,
 * then what a real step would hold, in words.
 *
 * @throws GrpoError for everything the real run would stumble over
 */
export async function rehearsal(
  loaded: LoadedConfig,
  options: TrainOptions,
  train: (loaded: LoadedConfig, options: TrainOptions) => Promise<unknown>,
): Promise<void> {
  const { run, stages } = loaded.config;
  const path = join(run.out_dir, run.name);
  if (options.resume === undefined && !options.overwrite && existsSync(path) && readdirSync(path).length > 0)
    throw runExists(path);
  const folder = mkdtempSync(join(tmpdir(), "grpo-dry-run-"));
  try {
    const config = shortened(loaded.config, folder);
    const { signal, device } = options;
    await train({ ...loaded, config }, { signal, device, force: false, overwrite: true, dryRun: false });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  for (const stage of stages) console.log(`${stage.name}: ${arithmetic(stage)}`);
  console.log(`dry run: nothing was trained; without --dry-run the run goes to ${path}`);
}

function shortened(config: Config, folder: string): Config {
  return {
    ...config,
    run: { ...config.run, out_dir: folder },
    stages: config.stages.map((stage) => ({
      ...stage,
      train: { ...stage.train, steps: 1, epochs: null, prompts_per_step: 1 },
      rollout: shortRollout(stage.rollout),
      eval: stage.eval === null ? null : { ...stage.eval, at_start: false, limit: 1, max_completion_tokens: SHORT },
    })),
  };
}

function shortRollout(rollout: Stage["rollout"]): Stage["rollout"] {
  const { strategy } = rollout;
  const short = (tokens: number) => Math.min(SHORT, tokens);
  return {
    ...rollout,
    max_completion_tokens: short(rollout.max_completion_tokens),
    strategy:
      strategy.kind === "serial_group"
        ? { ...strategy, answer_max_tokens: short(strategy.answer_max_tokens) }
        : strategy,
  };
}

/** The batch of a stage in words. */
function arithmetic({ kind, train, rollout }: Stage): string {
  const { prompts_per_step, updates_per_rollout, minibatches } = train;
  const steps = train.epochs === null ? `${train.steps} steps` : `${train.epochs} passes over the data in steps`;
  if (kind !== "grpo") return `${steps} of ${prompts_per_step} rows, an optimizer step each`;
  const { strategy, group_size, max_completion_tokens } = rollout;
  const updates = updates_per_rollout * Math.min(minibatches, prompts_per_step);
  const drawn =
    strategy.kind === "serial_group"
      ? `a completion of up to ${max_completion_tokens} tokens and ${strategy.exits} early answers of up to ${strategy.answer_max_tokens}`
      : `${group_size} completions of up to ${max_completion_tokens} tokens`;
  return (
    `${steps} of ${prompts_per_step} prompts x ${drawn}, ` +
    `${updates} optimizer ${updates === 1 ? "step" : "steps"} each`
  );
}
