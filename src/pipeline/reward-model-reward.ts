import { type ScoreMap, scoreRewards, sigmoid } from "../algorithms/reward-model/bradley-terry.js";
import { correlation } from "../algorithms/statistics.js";
import type { RewardSpecOf } from "../config/schema/rewards.js";
import { ExitCode, GrpoError } from "../errors.js";
import { lastMatch } from "../rewards/last-match.js";
import type { CallResult, CallScorer, RewardSample } from "../rewards/types.js";
import type { OpenRewardModel } from "./open-reward-model.js";

type Spec = RewardSpecOf<"reward_model">;

/**
 * One output of a frozen reward model as a reward. A score of a model of pairs that is no number earns 0; of a model of labels it
 * does not apply. Logs the share of such scores, the mean raw score and its correlation with the length of the text.
 */
export class RewardModelReward implements CallScorer {
  readonly #spec: Spec;
  readonly #model: OpenRewardModel;
  readonly #label: number;
  readonly #release: () => void;

  /**
   * @param release called when the reward needs the model no more
   * @throws GrpoError GRPO_CONFIG (exit code 3) where the label is missing or unknown
   */
  constructor(spec: Spec, model: OpenRewardModel, release: () => void) {
    this.#spec = spec;
    this.#model = model;
    this.#label = labelIndex(spec, model.head.labels.names);
    this.#release = release;
  }

  async score(samples: readonly RewardSample[]): Promise<CallResult> {
    const pattern = this.#spec.extract === undefined ? null : new RegExp(this.#spec.extract, "gsu");
    const texts = samples.map(({ completion }) => (pattern === null ? completion : lastMatch(pattern, completion)));
    const found = [...texts.keys()].filter((i) => texts[i] !== null);
    const outputs = await this.#model.score(
      found.map((i) => samples[i]!),
      found.map((i) => texts[i]!),
    );
    const { activation } = this.#model.head.labels;
    const scores = outputs.map((own) => (activation === "sigmoid" ? sigmoid(own[this.#label]!) : own[this.#label]!));
    const values = new Float64Array(samples.length).fill(Number.NaN);
    for (const group of new Set(samples.map((sample) => sample.group))) {
      const members = [...found.keys()].filter((k) => samples[found[k]!]!.group === group);
      const rewards = this.#rewards(members.map((k) => scores[k]!));
      members.forEach((k, n) => {
        values[found[k]!] = rewards[n]!;
      });
    }
    const finite = scores.filter(Number.isFinite);
    const lengths = found.map((i) => texts[i]!.length);
    const logged = [
      { name: "non_finite", value: (scores.length - finite.length) / Math.max(scores.length, 1) },
      { name: "score", value: finite.reduce((sum, score) => sum + score, 0) / finite.length },
      {
        name: "length_correlation",
        value: finite.length === scores.length ? correlation(scores, lengths) : Number.NaN,
      },
    ];
    return { values, logged: logged.filter(({ value }) => Number.isFinite(value)) };
  }

  /** Rewards of the scores of one group; NaN = does not apply. */
  #rewards(scores: readonly number[]): Float64Array {
    const { kind } = this.#model.head.labels;
    const map = this.#spec.map ?? (kind === "pairs" ? "sigmoid" : "identity_clip");
    const rewards = map === "none" ? Float64Array.from(scores) : scoreRewards(scores, map satisfies ScoreMap);
    if (kind === "pairs" && map !== "none") return rewards;
    return rewards.map((reward, i) => (Number.isFinite(scores[i]!) ? reward : Number.NaN));
  }

  async close(): Promise<void> {
    this.#release();
  }
}

function labelIndex({ name, label, path }: Spec, names: readonly string[]): number {
  const index = label === undefined && names.length === 1 ? 0 : names.indexOf(label ?? "");
  if (index >= 0) return index;
  const what = label === undefined ? "has several scores and no `label` says which" : `has no score "${label}"`;
  throw new GrpoError("GRPO_CONFIG", `rewards: ${name}: the reward model in ${path} ${what}`, {
    exitCode: ExitCode.config,
    fix: `give one of: ${names.join(", ")}`,
  });
}
