import { type Episode, type Finish, policyLoss, type Step, type Task } from "../tree/episode.js";
import { Origin, type Segment } from "../tree/segment.js";
import type { Turn } from "../tree/turn.js";
import type { Environment, EnvironmentRun } from "./environment.js";
import type { PromptMaker } from "./prompt-maker.js";
import type { Drawn } from "./sampling-engine.js";
import { appendSegment, promptSegment, type RolloutContext, type RolloutStrategy } from "./strategy.js";
import {
  keepAction,
  type MultiTurnOptions,
  room,
  sampledOf,
  stepOf,
  type TurnTokenizer,
  turnKey,
  turnSampling,
} from "./turns.js";

/** How the prompt of a step is made. */
export interface StepPrompts {
  make: PromptMaker;
  /** Steps before it that the prompt shows. */
  history: number;
  /** One step of the history as text: {k}, {observation} it was taken in, {action}, {result} that followed. */
  historyItem: (step: { k: number; observation: string; action: string; result: string }) => string;
}

/**
 * Lets a policy act in an environment with a prompt of its own for every step (GiGPO, arXiv 2505.10978, section 5): what is seen
 * now and the last steps, so that the context does not grow with the trajectory. Each step is an episode; those of a
 * trajectory follow each other and share its reward. A step whose prompt leaves no room for an action ends the trajectory.
 */
export function stepPromptStrategy(
  environment: Environment,
  tokenizer: TurnTokenizer,
  options: MultiTurnOptions,
  prompts: StepPrompts,
): RolloutStrategy {
  return {
    run: (tasks, context) =>
      tasks.map(async ({ task, slot }) => {
        const prompt = promptSegment(task);
        const runs = await environment.start(task, context.groupSize);
        const drawn = await context.engine.sample(
          prompt,
          runs.map((_, sample) => turnKey(context, slot, sample, 0)),
          turnSampling(prompt, prompt, context, environment, options),
        );
        const trajectories = await Promise.all(
          runs.map((run, sample) =>
            play(run, drawn[sample]!, {
              task,
              slot,
              sample,
              prompt,
              environment,
              tokenizer,
              options,
              context,
              prompts,
            }),
          ),
        );
        const group = { slot, task, episodes: trajectories.flat(), meta: {} };
        await context.score(group);
        return group;
      }),
    metrics: () => environment.metrics?.() ?? {},
    close: () => environment.close(),
  };
}

interface Play {
  task: Task;
  slot: number;
  sample: number;
  /** Of the first step, which all trajectories of the group share. */
  prompt: Segment;
  environment: Environment;
  tokenizer: TurnTokenizer;
  options: MultiTurnOptions;
  context: RolloutContext;
  prompts: StepPrompts;
}

/** One trajectory: an episode per step. */
async function play(run: EnvironmentRun, first: Drawn, p: Play): Promise<Episode[]> {
  const { environment, options, context, tokenizer } = p;
  const last = options.maxTurns + environment.finalTurns - 1;
  const turns: Turn[] = [];
  const seen = [run.anchor ?? p.task.text];
  const acted: string[] = [];
  const taken: { leaf: Segment; prompt: Segment; text: string; shown: string; step: Step; finish: Finish }[] = [];
  let [drawn, prompt, shown, anchor] = [first, p.prompt, p.task.text, run.anchor];
  for (let turn = 0; ; turn++) {
    const action = keepAction(drawn, environment, tokenizer);
    const count = action.tokens.length;
    const leaf = appendSegment(prompt, action.tokens, Origin.policy, sampledOf(drawn, count, context));
    const result = await run.step(action.text, turn === last);
    const step = stepOf(0, count, anchor, result);
    taken.push({ leaf, prompt, text: action.text, shown, step, finish: result.done ? "environment" : drawn.finish });
    const tokens = tokenizer.encode(result.observation, { addSpecialTokens: false });
    const whole = tokens.length <= options.maxObservationTokens;
    const kept = tokens.slice(0, options.maxObservationTokens);
    const observation = whole ? result.observation : tokenizer.decode(kept, { skipSpecialTokens: false });
    turns.push({ action: action.text, observation });
    acted.push(String(result.meta?.action ?? action.text));
    seen.push(observation.trim());
    if (result.anchor !== undefined) anchor = result.anchor;
    if (result.done || turn === last) break;
    const next = p.prompts.make(p.task, columnsOf(turns, acted, seen, p.prompts));
    [prompt, shown] = [promptSegment(next), next.text];
    if (room(prompt, prompt, context, options) <= 0) {
      taken.at(-1)!.finish = "length";
      break;
    }
    const key = turnKey(context, p.slot, p.sample, turn + 1);
    const sampling = turnSampling(prompt, prompt, context, environment, options);
    drawn = (await context.engine.sample(prompt, [key], sampling))[0]!;
  }
  const trace = { turns, return: taken.reduce((sum, { step }) => sum + (step.reward ?? 0), 0) };
  return taken.map(({ leaf, prompt: root, text, shown: own, step, finish }, turn) => ({
    leaf,
    promptLength: root.tokens.length,
    loss: policyLoss(leaf, root.tokens.length),
    spans: { turn: new Int32Array(leaf.tokens.length).fill(turn) },
    steps: [step],
    trajectory: p.sample,
    role: "train",
    weight: 1,
    behaviour: "sampled",
    finish,
    text,
    rewards: { components: {}, total: Number.NaN },
    trace: { ...trace, prompt: own },
  }));
}

/** What the template of a step's prompt may name, besides the columns of the data row. */
function columnsOf(
  turns: readonly Turn[],
  acted: readonly string[],
  seen: readonly string[],
  { history, historyItem }: StepPrompts,
) {
  const from = Math.max(0, turns.length - history);
  const items = turns.slice(from).map(({ observation: result }, i) => {
    return historyItem({ k: from + i + 1, observation: seen[from + i]!, action: acted[from + i]!, result });
  });
  return { observation: seen.at(-1)!, history: items.join("\n"), step: turns.length + 1, taken: turns.length };
}
