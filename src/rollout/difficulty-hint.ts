import { type Difficulty, DifficultyController } from "../algorithms/difficulty.js";
import { varies } from "../algorithms/filter/zero-variance.js";
import type { StrategyConfig } from "../config/schema/rollout.js";
import type { Episode, Group, Task } from "../tree/episode.js";
import { drawScored, type Place } from "./draw-scored.js";
import { firstSentences } from "./first-sentences.js";
import { promptMaker } from "./prompt-maker.js";
import type { RolloutStrategy, StrategyContext } from "./strategy.js";

type HintConfig = Extract<StrategyConfig, { kind: "difficulty_hint" }>;

/** What the strategy notes in `meta` of a group. */
export interface HintMeta extends Pick<Difficulty, "difficulty" | "level"> {
  /** Text that made the prompt easier; "" where it is as it was. */
  hint: string;
  /** Whether the completions of the prompt as it was all earned the same. */
  flat: boolean;
}

/**
 * Difficulty-aware prompts (DeepVideo-R1, arXiv 2506.07464, section 3.3). A group is drawn first to see how hard its prompt is
 * against those of late. A harder one is drawn again with a hint: the beginning of the best of some traces that the policy writes
 * when it is shown the answer, the longer the harder the prompt. What makes easy prompts harder there, noise on images, has no
 * counterpart in text: they stay.
 */
export function difficultyHintStrategy(config: HintConfig, run: StrategyContext): RolloutStrategy {
  const key = "rollout.strategy";
  const controller = new DifficultyController({ window: config.window, deltaMax: config.delta_max });
  const guide = promptMaker(run.tokenizer, run.prompt, config.guide, `${key}.guide`);
  const easier = promptMaker(run.tokenizer, run.prompt, config.prompt, `${key}.prompt`);
  const draw = (task: Task, count: number, turn: number, p: Place) => drawScored(task, count, turn, p, run.maxLength);

  /** The beginning of the best guided trace; "" where it would tell the answer at once. */
  async function hintFor(task: Task, level: number, place: Place): Promise<string> {
    const guided = guide(task, {});
    const traces = await draw(guided, config.traces, 1, place);
    const best = traces.reduce((a, b) => (b.rewards.total > a.rewards.total ? b : a), traces[0]!);
    const answer = String(task.record[config.answer] ?? "");
    return firstSentences(best.text, level * config.hint_max, answer);
  }

  async function finish(probes: Episode[], { difficulty, level, action }: Difficulty, place: Place): Promise<Group> {
    const { task, slot, context } = place;
    const flat = !varies(probes.map(({ rewards }) => rewards.total));
    const wanted = action === "hint" && (config.apply !== "zero_variance" || flat);
    const strength = config.level === "adaptive" ? level : config.level;
    const hint = wanted ? await hintFor(task, strength, place) : "";
    const meta: HintMeta = { difficulty, level: strength, hint, flat };
    const hinted = hint === "" ? [] : await draw(easier(task, { hint }), context.groupSize, 2, place);
    if (hinted.length === 0) return { slot, task, episodes: probes, meta: { ...meta, hint: "" } };
    const kept = config.apply === "append" ? probes : probes.map((episode): Episode => ({ ...episode, role: "probe" }));
    const later = hinted.map((episode) => ({ ...episode, trajectory: episode.trajectory + probes.length }));
    return { slot, task, episodes: [...kept, ...later], meta: { ...meta } };
  }

  return {
    stateful: [controller],
    run: (tasks, context) => {
      // Prompts are judged in the order of their slots, whichever group is complete first.
      let before: Promise<unknown> = Promise.resolve();
      return tasks.map(({ task, slot }) => {
        const place = { task, slot, context };
        const probes = draw(task, context.groupSize, 0, place);
        const judged = Promise.all([probes, before]).then(([episodes]) =>
          controller.judge(episodes.map(({ rewards }) => rewards.total)),
        );
        before = judged.catch(() => {});
        return judged.then(async (difficulty) => finish(await probes, difficulty, place));
      });
    },
  };
}
