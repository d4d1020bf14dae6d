import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { rolloutSchema } from "../../src/config/schema/rollout.js";
import { hintMetrics } from "../../src/pipeline/scoring.js";
import { firstSentences } from "../../src/rollout/first-sentences.js";
import type { Drawn, SamplingEngine } from "../../src/rollout/sampling-engine.js";
import { makeStrategies } from "../../src/rollout/strategies.js";
import { writeCharacterTokenizer } from "../../src/tokenizer/character.js";
import { loadTokenizer } from "../../src/tokenizer/tokenizer.js";
import { type Group, trainedEpisodes } from "../../src/tree/episode.js";
import type { Segment } from "../../src/tree/segment.js";

const folder = mkdtempSync(join(tmpdir(), "grpo-hint-"));
after(() => rmSync(folder, { recursive: true, force: true }));
writeCharacterTokenizer(folder, "abcdefghijklmnopqrstuvwxyz .=?:0123456789");
const tokenizer = loadTokenizer(folder);
const encode = (text: string) => tokenizer.encode(text, { addSpecialTokens: false });

/**
 * Rolls out tasks one step after the other; a task `qN` earns N / 10 on its own prompt, everything 1 with a hint.
 *
 * @param slowFirst lets the first group of a step be the last to be drawn
 */
async function rollOut(steps: number[][], options: Record<string, unknown> = {}, slowFirst = false) {
  const strategy = { kind: "difficulty_hint", guide: "{q} is {answer}: ", prompt: "{q}? {hint} = ", delta_max: 1 };
  const config = rolloutSchema.parse({ strategy: { ...strategy, ...options } });
  const { training } = await makeStrategies(config, { tokenizer, seed: 7, maxLength: 100, prompt: {} });
  const asked: string[] = [];
  const sample = async (
    prompt: Segment,
    keys: readonly { slot: number; turn: number; sample: number }[],
  ): Promise<Drawn[]> => {
    const { slot, turn } = keys[0]!;
    if (slowFirst) await new Promise((resolve) => setTimeout(resolve, slot === 0 && turn === 0 ? 20 : 1));
    asked.push(tokenizer.decode(prompt.tokens));
    return keys.map((key) => {
      const text = turn === 1 ? `${key.sample} first. then. so 42. end.` : "x";
      const tokens = encode(text);
      const zeros = new Float32Array(tokens.length);
      return { tokens, text, logprob: zeros, entropy: zeros, finish: "stop" };
    });
  };
  const groups: Group[] = [];
  for (const [step, values] of steps.entries()) {
    const tasks = values.map((value, slot) => {
      const record = { q: `q${value}`, value, answer: "42" };
      return { task: { index: slot, prompt: encode(record.q), text: record.q, record }, slot };
    });
    const drawn = training.run(tasks, {
      engine: { sample } as unknown as SamplingEngine,
      sampling: { temperature: 1, topK: 0, topP: 1, minP: 0, stop: [], maxTokens: 50 },
      groupSize: 2,
      purpose: 16,
      step,
      version: 0,
      score: async ({ task, episodes }) => {
        episodes.forEach((episode, i) => {
          const shown = String(episode.trace.prompt);
          const guided = shown.includes(" is 42");
          const total = guided ? i : shown.includes("?") ? 1 - i : Number(task.record.value) / 10;
          episode.rewards = { components: {}, total };
        });
      },
    });
    groups.push(...(await Promise.all(drawn)));
  }
  return { groups, asked, training };
}

test("the beginning of a text is whole sentences, up to the one that tells the answer", () => {
  const text = "Pi is 3.14 here. Now add!\nSo 42. Done.";
  assert.equal(firstSentences(text, 0.5, "42"), "Pi is 3.14 here. Now add!");
  assert.equal(firstSentences(text, 1, "42"), "Pi is 3.14 here. Now add!");
  assert.equal(firstSentences(text, 0.1, ""), "Pi is 3.14 here.");
  assert.equal(firstSentences(text, 1, "Pi"), "");
  assert.equal(firstSentences("", 1, ""), "");
});

test("a prompt harder than those of late is drawn again with the beginning of the best guided trace", async () => {
  const { groups, asked } = await rollOut([[8], [8], [2], [9]]);
  assert.deepEqual(asked, ["q8", "q8", "q2", "q2 is 42: ", "q2? 3 first. then. = ", "q9"]);
  const metas = groups.map(({ meta }) => meta.hint);
  assert.deepEqual(metas, ["", "", "3 first. then.", ""]);
  const [first, , hinted] = groups;
  assert.ok(first!.episodes.every(({ role }) => role === "train"));
  assert.deepEqual(
    hinted!.episodes.map(({ role, trajectory }) => [role, trajectory]),
    [
      ["probe", 0],
      ["probe", 1],
      ["train", 2],
      ["train", 3],
    ],
  );
  assert.deepEqual(
    trainedEpisodes(hinted!).map(({ rewards }) => rewards.total),
    [1, 0],
  );
  assert.ok(Math.abs(Number(hinted!.meta.difficulty) - 0.6) < 1e-12);
  const { difficulty } = hinted!.meta;
  assert.deepEqual(hintMetrics([hinted!]), {
    "hint/share": 1,
    "hint/difficulty": difficulty,
    ...Object.fromEntries(["05", "25", "50", "75", "95"].map((q) => [`hint/difficulty/p${q}`, difficulty])),
    "hint/level": hinted!.meta.difficulty,
    "hint/zero_std_before": 1,
  });
  assert.deepEqual(hintMetrics([{ ...first!, meta: {} }]), {});
});

test("a hint is longer on a harder prompt, or as long as told; what is drawn first can be trained beside", async () => {
  const hints = async (options: Record<string, unknown>) => (await rollOut([[8], [6]], options)).groups[1]!;
  assert.equal((await hints({})).meta.hint, "3 first.");
  const fixed = await hints({ level: 1, hint_max: 1, apply: "append" });
  assert.equal(fixed.meta.hint, "3 first. then.");
  assert.equal(trainedEpisodes(fixed).length, 4);
});

test("difficulty is judged in the order of the slots, whichever group is complete first, and survives a checkpoint", async () => {
  const judged = async (slowFirst: boolean) => {
    const { groups, training } = await rollOut([[8, 5, 2]], {}, slowFirst);
    return { difficulty: groups.map(({ meta }) => meta.difficulty), state: training.stateful![0]!.saveState() };
  };
  const quick = await judged(false);
  assert.deepEqual(await judged(true), quick);
  assert.deepEqual(quick.state, [0.8, 0.5, 0.2]);
  assert.equal(quick.difficulty[0], 0);
});
