import assert from "node:assert/strict";
import { test } from "node:test";
import { rewardsSchema } from "../../src/config/schema/rewards.js";
import { rolloutSchema } from "../../src/config/schema/rollout.js";
import { gridWorldAlphabet, gridWorldTask } from "../../src/data/builtin/grid-world.js";
import { scoreEpisodes } from "../../src/pipeline/policy.js";
import { rewardMetrics } from "../../src/pipeline/reward-metrics.js";
import { scoreGroups, turnMetrics } from "../../src/pipeline/scoring.js";
import { createRewards } from "../../src/rewards/reward-set.js";
import { taggedActions } from "../../src/rollout/environments/parsed-actions.js";
import { SamplingEngine } from "../../src/rollout/sampling-engine.js";
import { makeStrategies } from "../../src/rollout/strategies.js";
import { Purpose } from "../../src/rollout/stream-key.js";
import { type Group, gatherSampled, type Task } from "../../src/tree/episode.js";
import { pathTokens } from "../../src/tree/segment.js";
import type { Turn } from "../../src/tree/turn.js";
import { characterTokenizer, tinyDecoder } from "../tiny-decoder.js";

const tokenizer = characterTokenizer(`${gridWorldAlphabet}[]'=0123456789 `);
const tasks: Task[] = gridWorldTask({ size: 3, walls: 1, count: 3 }).map((record, index) => {
  const text = String(record.prompt);
  return { index, prompt: tokenizer.encode(text), text, record };
});
const stepPrompts = { template: "{history}\n{observation}", history: 2, history_item: "[{k}='{action}']" };

/** Trajectories of random weights in the grid world, each step with a prompt of its own. */
async function rollOut(chosen: readonly number[], { maxLength = 200, ...options }: Record<string, unknown> = {}) {
  const decoder = tinyDecoder("f32", { model_type: "llama", tie_word_embeddings: false, vocab_size: tokenizer.size });
  const engine = new SamplingEngine(decoder, tokenizer, 5);
  const environment = { kind: "grid_world", max_turns: 5, max_turn_tokens: 3, step_prompts: stepPrompts, ...options };
  const rollout = rolloutSchema.parse({ environment });
  const run = { tokenizer, seed: 5, maxLength: maxLength as number, prompt: {} };
  const { training } = await makeStrategies(rollout, run as unknown as Parameters<typeof makeStrategies>[1]);
  const groups = await Promise.all(
    training.run(
      chosen.map((slot) => ({ task: tasks[slot]!, slot })),
      {
        engine,
        sampling: { temperature: 1, topK: 0, topP: 1, minP: 0, stop: [], maxTokens: 90 },
        groupSize: 4,
        purpose: Purpose.rollout,
        step: 1,
        version: 0,
        score: async () => {},
      },
    ),
  );
  engine.dispose();
  return { groups, decoder };
}

const promptOf = ({ leaf, promptLength }: Group["episodes"][number]) =>
  tokenizer.decode(pathTokens(leaf).subarray(0, promptLength));

test("every step is an episode on its own prompt: what is seen now after the last actions", async () => {
  const { groups, decoder } = await rollOut([0, 1, 2]);
  let later = 0;
  for (const { episodes, task } of groups) {
    for (const trajectory of [0, 1, 2, 3]) {
      const own = episodes.filter((episode) => episode.trajectory === trajectory);
      const turns = own[0]!.trace.turns as Turn[];
      assert.equal(own.length, turns.length);
      own.forEach((episode, turn) => {
        const actions = turns.slice(Math.max(0, turn - 2), turn).map(({ action }, i) => {
          return `[${Math.max(0, turn - 2) + i + 1}='${action}']`;
        });
        const seen = turn === 0 ? task.text : `${actions.join("\n")}\n${turns[turn - 1]!.observation.trim()}`;
        assert.equal(promptOf(episode), seen);
        assert.equal(episode.trace.prompt, seen);
        assert.equal(episode.text, turns[turn]!.action);
        const { start, end, anchor } = episode.steps[0]!;
        assert.deepEqual([start, end, episode.steps.length], [0, episode.loss.length, 1]);
        assert.equal(anchor, turn === 0 ? task.record.map : turns[turn - 1]!.observation.trim().slice(0, -2));
        assert.ok(episode.loss.every((on) => on === 1));
        if (turn > 0) later += 1;
      });
    }
  }
  assert.ok(later > 10);
  decoder.dispose();
});

test("log-probs stored on prompts of their own are those of one training pass, bit for bit", async () => {
  const { groups, decoder } = await rollOut([0, 1, 2]);
  const episodes = groups.flatMap((group) => group.episodes);
  const pass = { temperature: 1, vocabSize: tokenizer.size, maxTokens: 100, sharedPrefix: true, checkpoint: false };
  const masks = episodes.map(({ loss }) => loss);
  const { logp } = await scoreEpisodes(decoder, episodes, masks, pass);
  episodes.forEach((episode, i) => {
    assert.deepEqual(logp[i], gatherSampled(episode, "logprob"));
  });
  decoder.dispose();
});

test("a trajectory is rewarded once: its steps share the reward, and metrics count it once", async () => {
  const { groups, decoder } = await rollOut([0, 1, 2]);
  const seen: string[] = [];
  const rewards = await createRewards(rewardsSchema.parse([{ name: "paid", kind: "environment" }]), {
    baseDir: ".",
    seed: 1,
  });
  const score = rewards.score.bind(rewards);
  rewards.score = (samples, context) => {
    for (const { completion, tokens } of samples) {
      seen.push(completion);
      assert.ok(tokens.length > 0);
    }
    return score(samples, context);
  };
  await scoreGroups(groups, rewards, { step: 1, evaluation: false });
  assert.equal(seen.length, 12);
  const totals = groups.flatMap(({ episodes }) =>
    [0, 1, 2, 3].map((trajectory) => {
      const own = episodes.filter((episode) => episode.trajectory === trajectory);
      const turns = own[0]!.trace.turns as Turn[];
      if (own.length > 1)
        assert.ok(seen.includes(turns.map(({ action, observation }) => action + observation).join("")));
      assert.equal(new Set(own.map(({ rewards: scored }) => scored.total)).size, 1);
      assert.equal(own[0]!.rewards.total, own.at(-1)!.finish === "environment" ? 1 : 0);
      return { total: own[0]!.rewards.total, turns: own.length };
    }),
  );
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  assert.ok(Math.abs(rewardMetrics(groups)["reward/mean"]! - mean(totals.map(({ total }) => total))) < 1e-12);
  assert.ok(Math.abs(turnMetrics(groups)["turn/mean"]! - mean(totals.map(({ turns }) => turns))) < 1e-12);
  assert.ok(turnMetrics(groups)["turn/mean"]! > 1);
  decoder.dispose();
});

test("a step whose prompt leaves no room ends the trajectory with `length`", async () => {
  const { groups, decoder } = await rollOut([0, 1], { maxLength: 16 });
  const episodes = groups.flatMap((group) => group.episodes);
  assert.ok(episodes.every(({ leaf }) => pathTokens(leaf).length <= 16));
  assert.ok(episodes.some(({ finish }) => finish === "length"));
  decoder.dispose();
});

test("tagged actions: what stands in the tags acts, a text without them is not valid", async () => {
  const acted: string[] = [];
  const environment = taggedActions(
    {
      stop: ["u"],
      finalTurns: 0,
      cut: (text) => text.slice(0, 1),
      start: async () => [
        {
          anchor: "here",
          async step(action) {
            acted.push(action);
            return { observation: "", done: false, valid: true, meta: { kept: 1 } };
          },
        },
      ],
      close: async () => {},
    },
    4,
  );
  const [run] = await environment.start(tasks[0]!, 1);
  assert.equal(run!.anchor, "here");
  const written = "<think>up</think><action>u</action>";
  assert.deepEqual(environment.stop, ["</action>"]);
  assert.equal(environment.cut(`${written} and more`), written);
  assert.deepEqual(await run!.step(written, false), {
    observation: "",
    done: false,
    valid: true,
    meta: { kept: 1, action: "u" },
  });
  assert.equal((await run!.step("go right", false)).valid, false);
  assert.deepEqual(acted, ["u", "ight"]);
});
