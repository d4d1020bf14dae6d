import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Stage } from "../config/schema.js";
import { ExitCode, GrpoError } from "../errors.js";
import { writeAtomic } from "../report/atomic.js";
import { onDisk } from "../report/disk-error.js";
import { stepName } from "../report/run-folder.js";
import type { Run } from "./run.js";

/**
 * What follows a minibatch whose update was not made. Without a finite loss and gradient, its rows are written to
 * dumps/step-NNNNNN.json of the run folder, then the run stops, or under `optimizer.non_finite: skip` says so and goes on.
 * After a gradient norm of `optimizer.skip_grad_norm` or more the run says so and goes on.
 *
 * @param rows what to write of each row; numbers that JSON does not know become their names
 * @throws GrpoError GRPO_NON_FINITE (exit code 1)
 */
export function onSkipped(
  run: Run,
  { optimizer }: Stage,
  { loss, gradNorm }: { loss: number; gradNorm: number },
  rows: readonly object[],
): void {
  const step = run.state.step + 1;
  if (Number.isFinite(loss) && Number.isFinite(gradNorm)) {
    const limit = `optimizer.skip_grad_norm is ${optimizer.skip_grad_norm}`;
    run.say(`step ${step}: the gradient norm is ${gradNorm} and ${limit}; the update was not made`);
    return;
  }
  const file = join(run.folder.dumps, `${stepName(step)}.json`);
  onDisk(file, () => mkdirSync(run.folder.dumps, { recursive: true }));
  writeAtomic(file, `${JSON.stringify({ step, loss, grad_norm: gradNorm, rows }, readable)}\n`);
  const message = `step ${step}: the loss is ${loss} and the gradient norm ${gradNorm}; the update was not made; its rows are in ${file}`;
  if (optimizer.non_finite === "skip") {
    run.say(message);
    return;
  }
  throw new GrpoError("GRPO_NON_FINITE", message, {
    exitCode: ExitCode.failure,
    fix: "lower optimizer.learning_rate and resume from the last checkpoint; to leave such updates out, set optimizer.non_finite to skip",
  });
}

/** `update/skipped` of a step, under an optimizer that goes on after an update left out. */
export function skipMetrics(optimizer: Stage["optimizer"], skips: number): Record<string, number> {
  return optimizer.non_finite === "skip" || optimizer.skip_grad_norm !== null ? { "update/skipped": skips } : {};
}

function readable(_: string, value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  return ArrayBuffer.isView(value) ? Array.from(value as Float64Array) : value;
}
