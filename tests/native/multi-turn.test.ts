import assert from "node:assert/strict";
import { test } from "node:test";
import { environmentSchema } from "../../src/config/schema/environment.js";
import { gridWorldAlphabet, gridWorldTask } from "../../src/data/builtin/grid-world.js";
import { scoreEpisodes } from "../../src/pipeline/policy.js";
import { makeEnvironment } from "../../src/rollout/environments/registry.js";
import { multiTurnStrategy } from "../../src/rollout/multi-turn.js";
import { SamplingEngine } from "../../src/rollout/sampling-engine.js";
import { Purpose } from "../../src/rollout/stream-key.js";
import type { MultiTurnOptions } from "../../src/rollout/turns.js";
import { type Episode, gatherSampled, responseLength, type Task } from "../../src/tree/episode.js";
import { pathTokens } from "../../src/tree/segment.js";
import type { Turn } from "../../src/tree/turn.js";
import { characterTokenizer, tinyDecoder } from "../tiny-decoder.js";

const tokenizer = characterTokenizer(gridWorldAlphabet);
const tasks: Task[] = gridWorldTask({ size: 3, walls: 1, count: 3 }).map((record, index) => {
  const text = String(record.prompt);
  return { index, prompt: tokenizer.encode(text), text, record };
});

/** Trajectories of random weights in the grid world. */
async function rollOut(
  chosen: readonly number[],
  { maxTokens = 90, ...options }: Partial<MultiTurnOptions> & { maxTokens?: number } = {},
) {
  const decoder = tinyDecoder("f32", { model_type: "llama", tie_word_embeddings: false, vocab_size: tokenizer.size });
  const engine = new SamplingEngine(decoder, tokenizer, 5);
  const environment = await makeEnvironment(environmentSchema.parse({ kind: "grid_world" })!, 5);
  const limits = { maxTurns: 5, maxTurnTokens: 3, maxObservationTokens: 50, maxLength: 200, ...options };
  const groups = await Promise.all(
    multiTurnStrategy(environment, tokenizer, limits).run(
      chosen.map((slot) => ({ task: tasks[slot]!, slot })),
      {
        engine,
        sampling: { temperature: 1, topK: 0, topP: 1, minP: 0, stop: [], maxTokens },
        groupSize: 4,
        purpose: Purpose.rollout,
        step: 1,
        version: 0,
        score: async () => {},
      },
    ),
  );
  engine.dispose();
  return { groups, episodes: groups.flatMap(({ episodes }) => episodes), decoder };
}

const tokensOf = (episodes: readonly Episode[]) => episodes.map(({ leaf }) => [...pathTokens(leaf)]);

test("log-probs stored over all turns are those of one training pass, bit for bit", async () => {
  const { episodes, decoder } = await rollOut([0, 1, 2]);
  const pass = { temperature: 1, vocabSize: tokenizer.size, maxTokens: 4096, sharedPrefix: true, checkpoint: false };
  const { logp } = await scoreEpisodes(
    decoder,
    episodes,
    episodes.map(({ loss }) => loss),
    pass,
  );
  let compared = 0;
  for (const [i, episode] of episodes.entries()) {
    const stored = gatherSampled(episode, "logprob");
    episode.loss.forEach((own, t) => {
      assert.equal(Number.isNaN(stored[t]!), own === 0);
      if (own === 1) assert.equal(logp[i]![t], stored[t]);
      compared += own;
    });
  }
  assert.ok(compared > episodes.length * 3);
  decoder.dispose();
});

test("a trajectory depends on its key alone, not on the groups beside it", async () => {
  const together = await rollOut([0, 1, 2]);
  const alone = await rollOut([1]);
  assert.deepEqual(tokensOf(together.groups[1]!.episodes), tokensOf(alone.episodes));
  assert.notDeepEqual(tokensOf(together.groups[0]!.episodes), tokensOf(together.groups[1]!.episodes));
  for (const { decoder } of [together, alone]) decoder.dispose();
});

test("steps, spans and mask mark the actions; anchors are the states they are taken in", async () => {
  const { groups, decoder } = await rollOut([0, 1]);
  const of = groups.flatMap(({ task, episodes }) => episodes.map((episode) => ({ episode, map: task.record.map })));
  for (const { episode, map } of of) {
    const { steps, spans, loss, trace, promptLength } = episode;
    const response = pathTokens(episode.leaf).subarray(promptLength);
    const turns = trace.turns as Turn[];
    assert.equal(steps.length, turns.length);
    assert.ok(steps.length >= 1 && steps.length <= 5);
    const covered = new Int32Array(response.length).fill(-1);
    steps.forEach(({ start, end, anchor, valid, reward }, turn) => {
      covered.fill(turn, start, end);
      const action = tokenizer.decode(response.subarray(start, end));
      assert.equal(action, turns[turn]!.action);
      assert.equal(valid, /[udlr]/.test(action));
      assert.equal(reward, episode.finish === "environment" && turn === steps.length - 1 ? 1 : 0);
      const shown = turn === 0 ? map : turns[turn - 1]!.observation.slice(1, -2);
      assert.equal(anchor, shown);
    });
    assert.deepEqual(spans.turn, covered);
    assert.deepEqual(
      [...loss],
      [...covered].map((turn) => (turn >= 0 ? 1 : 0)),
    );
    assert.equal(tokenizer.decode(response), episode.text);
  }
  decoder.dispose();
});

test("a response without room for another action ends with `length`, within both limits", async () => {
  const narrow = await rollOut([0, 1], { maxTokens: 15, maxTurns: 50 });
  assert.ok(narrow.episodes.every((episode) => responseLength(episode) <= 15));
  assert.ok(narrow.episodes.some(({ steps, finish }) => steps.length === 1 && finish === "length"));
  const short = await rollOut([0, 1], { maxLength: 31, maxTurns: 50 });
  assert.ok(short.episodes.every(({ leaf }) => pathTokens(leaf).length <= 31));
  for (const { decoder } of [narrow, short]) decoder.dispose();
});

test("an observation that is too long is cut on the right, in the tokens and in the text", async () => {
  const { episodes, decoder } = await rollOut([0], { maxObservationTokens: 4 });
  const [turn] = episodes
    .map(({ trace }) => (trace.turns as Turn[])[0]!)
    .filter(({ observation }) => observation !== "");
  assert.equal(turn!.observation.length, 4);
  for (const { text, leaf, promptLength } of episodes) {
    assert.equal(tokenizer.decode(pathTokens(leaf).subarray(promptLength)), text);
  }
  decoder.dispose();
});
