import type { Config } from "../config/schema.js";
import type { StepMetrics } from "../report/metrics.js";

type HealthConfig = NonNullable<Config["run"]["health"]>;
type Bound = Exclude<keyof HealthConfig, "patience" | "reward_drop_max">;

/** What each bound of `run.health` watches, on which side a run is well, and what to try when it is not. */
const checks: { [Key in Bound]: { metric: string; well: "below" | "above"; advice: string } } = {
  grad_norm_max: {
    metric: "grad_norm",
    well: "below",
    advice: "updates are unstable; lower optimizer.learning_rate",
  },
  entropy_min: {
    metric: "entropy/mean",
    well: "above",
    advice:
      "completions hardly differ any more; raise rollout.temperature or objective.epsilon_high, or add an entropy term",
  },
  kl_max: {
    metric: "kl/mean",
    well: "below",
    advice: "the policy has left its reference far behind; raise objective.kl.coefficient or lower the learning rate",
  },
  clip_max: {
    metric: "ratio/clip_region",
    well: "below",
    advice: "updates go far beyond what was sampled; make fewer per rollout, or smaller ones",
  },
  truncated_max: {
    metric: "length/truncated",
    well: "below",
    advice: "most completions are cut before they end; raise rollout.max_completion_tokens or punish length",
  },
  all_wrong_max: {
    metric: "group/zero_std_wrong",
    well: "below",
    advice:
      "most groups hold nothing right and teach nothing; take easier prompts or a larger group, or warm up with sft",
  },
};

/** Watches a run's metrics and says, once for each bound, when one has been passed for `patience` steps on end. */
export class Health {
  readonly #config: HealthConfig | null;
  readonly #say: (text: string) => void;
  /** Steps on end beyond each bound. */
  readonly #beyond = new Map<Bound, number>();
  /** Mean rewards of the last `patience` steps, and the best mean of so many steps so far. */
  #rewards: number[] = [];
  #best = 0;
  #collapsed = false;

  constructor(config: HealthConfig | null, say: (text: string) => void) {
    this.#config = config;
    this.#say = say;
  }

  look(metrics: StepMetrics): void {
    if (this.#config === null) return;
    const { patience, reward_drop_max, ...bounds } = this.#config;
    this.#lookAtReward(metrics["reward/mean"], patience, reward_drop_max);
    for (const [key, bound] of Object.entries(bounds) as [Bound, number | null][]) {
      const { metric, well, advice } = checks[key];
      const value = metrics[metric];
      if (bound === null || typeof value !== "number") continue;
      const steps = this.#beyond.get(key) ?? 0;
      if (steps >= patience) continue;
      const ill = well === "below" ? value > bound : value < bound;
      this.#beyond.set(key, ill ? steps + 1 : 0);
      if (!ill || steps + 1 < patience) continue;
      const side = well === "below" ? "above" : "below";
      this.#say(
        `advice: ${metric} has been ${side} ${bound} for ${patience} steps (now ${value.toPrecision(3)}): ${advice}`,
      );
    }
  }

  /** Says, once, when the mean reward of the last `patience` steps has fallen far below the best such mean. */
  #lookAtReward(reward: unknown, patience: number, bound: number | null): void {
    if (bound === null || this.#collapsed || typeof reward !== "number" || !Number.isFinite(reward)) return;
    this.#rewards = [...this.#rewards, reward].slice(-patience);
    if (this.#rewards.length < patience) return;
    const now = this.#rewards.reduce((sum, value) => sum + value, 0) / patience;
    this.#best = Math.max(this.#best, now);
    // A best of 0 or less has no share to lose.
    if (this.#best <= 0 || (this.#best - now) / this.#best <= bound) return;
    this.#collapsed = true;
    this.#say(
      `advice: reward/mean has fallen to ${now.toPrecision(3)} over ${patience} steps, after ${this.#best.toPrecision(3)} at its best: the run may have collapsed; go back to an earlier checkpoint with a lower optimizer.learning_rate or weaker penalties`,
    );
  }
}
