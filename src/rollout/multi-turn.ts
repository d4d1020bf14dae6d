import { type Episode, type Finish, policyLoss, type Step, type Task } from "../tree/episode.js";
import { Origin, pathLength, type Segment } from "../tree/segment.js";
import type { Turn } from "../tree/turn.js";
import type { Environment, EnvironmentRun } from "./environment.js";
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

/**
 * Lets a policy act in an environment until it is done, the turns are used up or the response is full. The trajectories of a
 * group start from one prefilled prompt and go on by themselves. An observation is tokenised once and appended; nothing is
 * cut on the left: a response without room for the next action ends with `finish: length`.
 */
export function multiTurnStrategy(
  environment: Environment,
  tokenizer: TurnTokenizer,
  options: MultiTurnOptions,
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
        const episodes = await Promise.all(
          runs.map((run, sample) =>
            play(run, drawn[sample]!, { task, slot, sample, prompt, environment, tokenizer, options, context }),
          ),
        );
        const group = { slot, task, episodes, meta: {} };
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
  prompt: Segment;
  environment: Environment;
  tokenizer: TurnTokenizer;
  options: MultiTurnOptions;
  context: RolloutContext;
}

/** One trajectory from its first action on. */
async function play(run: EnvironmentRun, first: Drawn, p: Play): Promise<Episode> {
  const { prompt, environment, options, context } = p;
  const last = options.maxTurns + environment.finalTurns - 1;
  const promptLength = prompt.tokens.length;
  const turns: Turn[] = [];
  const steps: Step[] = [];
  let leaf = prompt;
  let drawn = first;
  let anchor = run.anchor;
  let finish: Finish = "length";
  for (let turn = 0; ; turn++) {
    const action = keepAction(drawn, environment, p.tokenizer);
    const start = pathLength(leaf) - promptLength;
    leaf = appendSegment(leaf, action.tokens, Origin.policy, sampledOf(drawn, action.tokens.length, context));
    const result = await run.step(action.text, turn === last);
    const { observation, done } = result;
    steps.push(stepOf(start, start + action.tokens.length, anchor, result));
    turns.push({ action: action.text, observation: "" });
    if (result.anchor !== undefined) anchor = result.anchor;
    if (done) {
      finish = "environment";
      break;
    }
    if (turn === last) break;
    const tokens = p.tokenizer.encode(observation, { addSpecialTokens: false }).slice(0, options.maxObservationTokens);
    if (room(leaf, prompt, context, options) <= tokens.length) break;
    if (tokens.length > 0) {
      leaf = appendSegment(leaf, tokens, Origin.environment);
      const whole = tokens.length < options.maxObservationTokens;
      turns.at(-1)!.observation = whole ? observation : p.tokenizer.decode(tokens, { skipSpecialTokens: false });
    }
    const next = turnKey(context, p.slot, p.sample, turn + 1);
    drawn = (await context.engine.sample(leaf, [next], turnSampling(leaf, prompt, context, environment, options)))[0]!;
  }
  return {
    leaf,
    promptLength,
    loss: policyLoss(leaf, promptLength),
    spans: { turn: turnSpans(steps, pathLength(leaf) - promptLength) },
    steps,
    trajectory: p.sample,
    role: "train",
    weight: 1,
    behaviour: "sampled",
    finish,
    text: turns.map(({ action, observation }) => action + observation).join(""),
    rewards: { components: {}, total: Number.NaN },
    trace: { turns, return: steps.reduce((sum, { reward = 0 }) => sum + reward, 0) },
  };
}

/** Number of the turn whose action a token belongs to; -1 on observations. */
function turnSpans(steps: readonly Step[], length: number): Int32Array {
  const spans = new Int32Array(length).fill(-1);
  for (const [turn, { start, end }] of steps.entries()) spans.fill(turn, start, end);
  return spans;
}
