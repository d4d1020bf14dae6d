import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { makeShapers } from "../../src/algorithms/shape/registry.js";
import { emptyTally, metricValues } from "../../src/algorithms/tally.js";
import { rolloutSchema } from "../../src/config/schema/rollout.js";
import { shapeSchema } from "../../src/config/schema/shape.js";
import type { Drawn, SamplingEngine, SamplingOptions } from "../../src/rollout/sampling-engine.js";
import {
  evenExits,
  exitPositions,
  exitsAtBoundaries,
  markerTokens,
  SerialRole,
  serialLoss,
} from "../../src/rollout/serial-exits.js";
import { makeStrategies } from "../../src/rollout/strategies.js";
import { writeCharacterTokenizer } from "../../src/tokenizer/character.js";
import { loadTokenizer } from "../../src/tokenizer/tokenizer.js";
import type { Group } from "../../src/tree/episode.js";
import { pathTokens, type Segment } from "../../src/tree/segment.js";
import { row } from "../golden/adapter.js";
import { least, mistakes } from "./config-files.js";

const decayed = (correct: number[], base: number) => {
  const rows = correct.map((reward) => row({ length: 1, reward }));
  for (const shaper of makeShapers(shapeSchema.parse([{ kind: "serial_decay", base }]))) shaper.shape(rows);
  return rows.map(({ reward }) => reward);
};

test("each earlier correct exit divides the reward by the base; base 1 tells right from wrong only", () => {
  assert.deepEqual(decayed([0, 1, 0, 1, 1], 2), [0, 1, 0, 0.5, 0.25]);
  assert.deepEqual(decayed([0, 1, 0, 1, 1], 1), [0, 1, 0, 1, 1]);
  assert.deepEqual(decayed([0, 0], 2), [0, 0]);
});

test("the record says which exits were right, and what the first one saves", () => {
  const role = Int32Array.of(0, 0, 0, 3);
  const rows = [0, 1, 1].map((reward, k) => row({ length: k + 2, reward, spans: { role } }));
  const tally = emptyTally();
  for (const shaper of makeShapers(shapeSchema.parse([{ kind: "serial_decay" }]))) shaper.shape(rows, tally);
  const metrics = metricValues(tally);
  assert.equal(metrics["serial/first_correct"], 2);
  assert.equal(metrics["serial/tokens_saved"], 1);
  assert.equal(metrics["serial/correct_1"], 0);
  assert.equal(metrics["serial/correct_full"], 1);
  assert.equal(metrics["serial/right_2"], 1);
  assert.equal(metrics["serial/thought_length"], 3);
});

test("exits lie within the thought, ascend without repeats, and never cut where text may not be cut", () => {
  assert.deepEqual(exitPositions(10, [0.99, 0, 0.5, 0.51]), [1, 5, 9]);
  assert.deepEqual(exitPositions(1, [0.5]), []);
  assert.deepEqual(exitPositions(9, evenExits(4)), [2, 4, 6, 8]);
  assert.deepEqual(
    exitsAtBoundaries([1, 4, 5], (position) => position === 3 || position === 0),
    [3],
  );
});

test("a marker is found across tokens, and may share its tokens with other text", () => {
  assert.deepEqual(markerTokens(["a </th", "ink", ">\n", "b"], "</think>"), { start: 0, end: 3 });
  assert.deepEqual(markerTokens(["a", "</think>"], "</think>"), { start: 1, end: 2 });
  assert.equal(markerTokens(["a"], "</think>"), null);
});

test("each choice of trained tokens takes the roles it names", () => {
  const roles = Int32Array.of(SerialRole.thought, SerialRole.inducer, SerialRole.end, SerialRole.answer, -1);
  assert.deepEqual([...serialLoss(roles, "policy_tokens_and_end_think")], [1, 0, 1, 1, 0]);
  assert.deepEqual([...serialLoss(roles, "policy_tokens")], [1, 0, 0, 1, 0]);
  assert.deepEqual([...serialLoss(roles, "all")], [1, 1, 1, 1, 0]);
  assert.deepEqual([...serialLoss(roles, "answer_only")], [0, 0, 0, 1, 0]);
});

const folder = mkdtempSync(join(tmpdir(), "grpo-serial-"));
after(() => rmSync(folder, { recursive: true, force: true }));
writeCharacterTokenizer(folder, "abcdefghijklmnopqrstuvwxyz</>.=0123456789");
const tokenizer = loadTokenizer(folder);
const encode = (text: string) => tokenizer.encode(text, { addSpecialTokens: false });
const rollout = rolloutSchema.parse({
  strategy: { kind: "serial_group", exits: 4, inducer: "stop.</think>", answer_max_tokens: 5 },
});

/** Draws `full` from a prompt and `answer` from everything longer. */
async function serialGroup(
  full: string,
  answer: string,
  maxLength = 100,
): Promise<{ group: Group; seen: SamplingOptions[] }> {
  const seen: SamplingOptions[] = [];
  const sample = async (parent: Segment, keys: readonly unknown[], options: SamplingOptions): Promise<Drawn[]> => {
    seen.push(options);
    const text = parent.parent === null ? full : answer;
    const tokens = encode(text);
    const zeros = new Float32Array(tokens.length);
    return keys.map(() => ({ tokens, text, logprob: zeros, entropy: zeros, finish: "stop" }));
  };
  const sampling = { temperature: 1, topK: 0, topP: 1, minP: 0, stop: [], maxTokens: 50 };
  const task = { index: 0, prompt: encode("q="), text: "q=", record: {} };
  const { training } = await makeStrategies(rollout, { tokenizer, seed: 7, maxLength, prompt: {} });
  const [group] = training.run([{ task, slot: 3 }], {
    engine: { sample } as unknown as SamplingEngine,
    sampling,
    groupSize: 8,
    purpose: 16,
    step: 1,
    version: 0,
    score: async () => {},
  });
  return { group: await group!, seen };
}

test("a serial group branches from the full response's own tokens, in exit order, the full response last", async () => {
  const { group, seen } = await serialGroup("thinkingandmore</think>is42", "is7");
  const exits = group.meta.exits as number[];
  assert.ok(exits.length >= 2 && exits.every((exit) => exit >= 1 && exit <= 14));
  assert.equal(group.episodes.length, exits.length + 1);
  const full = group.episodes.at(-1)!;
  assert.equal(full.behaviour, "sampled");
  assert.equal(full.spans.role!.filter((role) => role === SerialRole.thought).length, 23);
  exits.forEach((exit, k) => {
    const branch = group.episodes[k]!;
    const text = `${"thinkingandmore".slice(0, exit)}stop.</think>is7`;
    assert.equal(branch.text, text);
    assert.deepEqual(pathTokens(branch.leaf), encode(`q=${text}`));
    assert.equal(branch.behaviour, "recompute");
    assert.equal(branch.leaf.parent!.parent, full.leaf);
    const forced = text.length - exit - 3;
    assert.deepEqual(
      [...branch.loss],
      [...Array(exit).fill(1), ...Array(5).fill(0), ...Array(forced - 5).fill(1), 1, 1, 1],
    );
  });
  assert.equal(seen.at(-1)!.maxTokens, 5);
});

test("exits depend on the seed and the slot alone; a thought too short, or a context too small, leaves the full response", async () => {
  const first = await serialGroup("thinkingandmore</think>is42", "is7");
  const again = await serialGroup("thinkingandmore</think>is42", "other");
  assert.deepEqual(again.group.meta.exits, first.group.meta.exits);
  assert.equal((await serialGroup("t</think>is4", "is7")).group.episodes.length, 1);
  assert.equal((await serialGroup("thinkingandmore</think>is42", "is7", 16)).group.episodes.length, 1);
  assert.ok((await serialGroup("neverends", "is7")).group.episodes.length > 1);
});

test("a group size is refused beside a serial group, which has its own", () => {
  const text = `${least}model: {path: m}\nrollout: {strategy: {kind: serial_group}, group_size: 4}\n`;
  assert.deepEqual(mistakes(text), [
    "run.yaml:4:43: rollout.group_size: has no effect with a serial group: it has rollout.strategy.exits early exits and the full response",
  ]);
});
