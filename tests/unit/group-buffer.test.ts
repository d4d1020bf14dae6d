import assert from "node:assert/strict";
import { test } from "node:test";
import { GroupBuffer } from "../../src/pipeline/group-buffer.js";
import { pack, unpack } from "../../src/pipeline/pack.js";
import type { Episode, Group, Task } from "../../src/tree/episode.js";
import type { Segment } from "../../src/tree/segment.js";

const task: Task = { index: 7, prompt: Int32Array.of(1, 2), text: "1+1=", record: { answer: "2" } };

function group(slot: number): Group {
  const segment = (id: number, parent: Segment | null, tokens: number[]): Segment => ({
    id,
    parent,
    at: parent === null ? 0 : parent.tokens.length,
    tokens: Int32Array.from(tokens),
    origin: new Uint8Array(tokens.length).fill(parent === null ? 0 : 1),
    policy: "main",
    ...(parent === null
      ? {}
      : {
          sampled: {
            logprob: Float32Array.from(tokens, (token) => -0.1 * token),
            entropy: Float32Array.from(tokens, () => Number.NaN),
            version: 3,
            temperature: 1,
          },
        }),
  });
  const root = segment(100 * slot, null, [1, 2]);
  const episodes = [1, 2].map((sample): Episode => {
    const leaf = segment(100 * slot + sample, root, [sample, 5]);
    return {
      leaf,
      promptLength: 2,
      loss: Uint8Array.of(1, 1),
      spans: { rank: Int32Array.of(0, 1) },
      steps: [],
      trajectory: sample,
      role: "train",
      weight: 1,
      behaviour: "sampled",
      finish: "stop",
      text: "x",
      rewards: { components: { right: null }, total: Number.NaN },
      trace: {},
    };
  });
  return { slot, task, episodes, meta: {} };
}

test("groups wait until there are enough rows, and then leave together", () => {
  const buffer = new GroupBuffer(5, [task]);
  assert.deepEqual(buffer.exchange([group(0)]), []);
  assert.deepEqual(buffer.exchange([group(1)]), []);
  assert.equal(buffer.rows, 4);
  assert.deepEqual(
    buffer.exchange([group(2)]).map(({ slot }) => slot),
    [0, 1, 2],
  );
  assert.equal(buffer.rows, 0);
  assert.equal(new GroupBuffer(0, [task]).exchange([group(0)]).length, 1);
});

test("what waits survives a checkpoint to the bit, shared prompts shared", () => {
  const buffer = new GroupBuffer(9, [task]);
  buffer.exchange([group(0), group(1)]);
  const restored = new GroupBuffer(9, [task]);
  restored.loadState(JSON.parse(JSON.stringify(buffer.saveState())));
  assert.equal(JSON.stringify(restored.saveState()), JSON.stringify(buffer.saveState()));
  const groups = restored.exchange([group(2), group(3), group(4)]);
  const [first, second] = groups[0]!.episodes;
  assert.equal(first!.leaf.parent, second!.leaf.parent);
  assert.equal(groups[0]!.task, task);
  assert.deepEqual(first!.leaf.sampled, group(0).episodes[0]!.leaf.sampled);
  const ids = groups.flatMap(({ episodes }) => episodes.map(({ leaf }) => leaf.id));
  assert.equal(new Set(ids).size, ids.length);
});

test("numbers that JSON does not know come back as they were", () => {
  const value = {
    a: Number.NaN,
    b: [-0, Number.NEGATIVE_INFINITY, 1.5],
    c: null,
    d: "x",
    e: Float64Array.of(Number.NaN, -0),
  };
  assert.deepEqual(unpack(JSON.parse(JSON.stringify(pack(value)))), value);
});
