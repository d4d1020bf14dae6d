import type { RewardSpecOf } from "../config/schema/rewards.js";
import type { Stage } from "../config/schema.js";
import type { CallScorer } from "../rewards/types.js";
import { OpenRewardModel, type RewardModelInput } from "./open-reward-model.js";
import { RewardModelReward } from "./reward-model-reward.js";
import { openTextEmbedder } from "./text-embedder.js";

/**
 * What the rewards of a stage ask of models, which they do not know themselves. Reward models see its rows as the policy does; a
 * folder that several rewards name is loaded once.
 */
export function stageServices({ data, train }: Pick<Stage, "data" | "train">) {
  const input: RewardModelInput = { prompt: data.prompt, maxTokens: train.max_tokens_per_microbatch };
  const opened = new Map<string, { model: Promise<OpenRewardModel>; users: number }>();
  return {
    openEmbedder: openTextEmbedder,
    async openRewardModel(spec: RewardSpecOf<"reward_model">): Promise<CallScorer> {
      const { path } = spec;
      const entry = opened.get(path) ?? { model: OpenRewardModel.load(path, input), users: 0 };
      opened.set(path, entry);
      entry.users += 1;
      const model = await entry.model;
      const release = () => {
        entry.users -= 1;
        if (entry.users > 0) return;
        opened.delete(path);
        model.dispose();
      };
      try {
        return new RewardModelReward(spec, model, release);
      } catch (error) {
        release();
        throw error;
      }
    },
  };
}
