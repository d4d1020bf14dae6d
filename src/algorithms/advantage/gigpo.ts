import type { AdvantageConfig } from "../../config/schema/advantage.js";
import { mean, standardDeviation, standardScores } from "../statistics.js";
import { addMean } from "../tally.js";
import type { AdvantageEstimator, MetricLog } from "../types.js";
import { stepGroups } from "./step-groups.js";
import { partition, type StepRecord, stepRecords, stepReturns, trajectoryOf } from "./step-records.js";

type GigpoConfig = Omit<Extract<AdvantageConfig, { kind: "gigpo" }>, "kind" | "then">;

/**
 * GiGPO (arXiv 2505.10978, eq. 3 to 8). With the discounted return G = r + gamma G_next of each step, both G and the
 * trajectory's outcome S less a penalty for invalid actions:
 *   A = (S - mean) / (std + eps) over the prompt group + omega (G - mean) / (std + eps) over the steps taken in the same state
 * A prompt group of one has mean 0 and deviation 1. One entry per step.
 */
export function gigpoAdvantages(steps: readonly StepRecord[], config: GigpoConfig) {
  const returns = stepReturns(steps, config.gamma);
  const penalty = steps.map(({ valid }) => (valid ? 0 : config.invalid_penalty));
  const penalised = returns.map((value, j) => value - penalty[j]!);
  const scores = steps.map(({ outcome }, j) => outcome - penalty[j]!);
  const groups = stepGroups(steps, config.similarity);
  const firsts = new Set(partition(steps, trajectoryOf).map((members) => members[0]!));
  const episode = standardScores(
    scores,
    partition(steps, ({ group }) => group),
    config,
    {
      center: (sample) => (sample.length > 1 ? mean(sample) : 0),
      counts: (j) => config.stats_over === "steps" || firsts.has(j),
    },
  );
  const states = partition(steps, (_, j) => groups[j]);
  const step = standardScores(penalised, states, config); // a state seen once is its own mean
  const advantages = episode.map((value, j) => value + config.step_weight * step[j]!);
  return { returns, penalised, scores, groups, episode, step, advantages };
}

/** Estimator of {@link gigpoAdvantages}: every trained action of a step gets the step's advantage, others 0. */
export function gigpoEstimator(config: GigpoConfig): AdvantageEstimator {
  return {
    needs: {},
    estimate: (rows, log) => {
      const steps = stepRecords(rows);
      const result = gigpoAdvantages(steps, config);
      record(log, steps, result);
      const advantages = rows.map((row) => new Float64Array(row.length));
      steps.forEach(({ row, start, end }, j) => {
        for (let t = start; t < end; t++) if (rows[row]!.mask[t] === 1) advantages[row]![t] = result.advantages[j]!;
      });
      return advantages;
    },
  };
}

/** Shares of step groups by size, and how much each part of the advantage moves. */
function record(
  log: MetricLog | undefined,
  steps: readonly StepRecord[],
  result: ReturnType<typeof gigpoAdvantages>,
): void {
  const { groups, step, episode } = result;
  for (const members of partition(steps, (_, j) => groups[j])) {
    const size = members.length;
    addMean(log, "gigpo/step_group_size", size, 1);
    addMean(log, "gigpo/groups_of_1", size === 1 ? 1 : 0, 1);
    addMean(log, "gigpo/groups_of_2_to_4", size > 1 && size < 5 ? 1 : 0, 1);
    addMean(log, "gigpo/groups_of_5_up", size >= 5 ? 1 : 0, 1);
  }
  addMean(log, "gigpo/step_nonzero", step.filter((value) => value !== 0).length, step.length);
  addMean(log, "gigpo/valid", steps.filter(({ valid }) => valid).length, steps.length);
  addMean(log, "gigpo/steps", steps.length, partition(steps, trajectoryOf).length);
  if (steps.length < 2) return;
  addMean(log, "gigpo/episode_std", standardDeviation(episode, "sample"), 1);
  addMean(log, "gigpo/step_std", standardDeviation(step, "sample"), 1);
}
