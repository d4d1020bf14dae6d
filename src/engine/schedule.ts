/** How the learning rate runs over the steps; kinds and formulas of Hugging Face's get_scheduler, keys of the config. */
export type Schedule =
  | { kind: "constant"; warmup_steps: number }
  | { kind: "linear" | "cosine"; warmup_steps: number; final_ratio: number }
  | { kind: "wsd"; warmup_steps: number; decay_steps: number; final_ratio: number };

/**
 * Learning rate of a step. It rises linearly from 0 over `warmup_steps`, then stays (`constant`), falls in a line or half a
 * cosine (`linear`, `cosine`), or stays and falls in a line over the last `decay_steps` (`wsd`), towards
 * `final_ratio * peak` at `totalSteps`.
 *
 * @param step index of the step, from 0
 * @param totalSteps number of steps of the stage
 * @param peak `learning_rate` of the config
 */
export function learningRate(schedule: Schedule, step: number, totalSteps: number, peak: number): number {
  const warmup = schedule.warmup_steps;
  if (step < warmup) return (peak * step) / warmup;
  if (schedule.kind === "constant") return peak;
  const start = schedule.kind === "wsd" ? Math.max(warmup, totalSteps - schedule.decay_steps) : warmup;
  const progress = Math.min(1, Math.max(0, step - start) / Math.max(1, totalSteps - start));
  const share = schedule.kind === "cosine" ? (1 + Math.cos(Math.PI * progress)) / 2 : 1 - progress;
  return peak * (schedule.final_ratio + (1 - schedule.final_ratio) * share);
}
