import assert from "node:assert/strict";
import { test } from "node:test";
import { permutation, philox } from "../../src/data/random.js";
import { createSampler } from "../../src/data/sampler.js";
import type { Task } from "../../src/tree/episode.js";

const tasks: Task[] = Array.from({ length: 7 }, (_, index) => ({
  index,
  prompt: new Int32Array(1),
  text: "",
  record: {},
}));
const draw = (sampler: ReturnType<typeof createSampler>, count: number) =>
  sampler.next(count).map(({ task }) => task.index);

test("philox gives the known answers of Random123 for philox4x32-10", () => {
  const hex = (words: Uint32Array) => Array.from(words, (word) => word.toString(16).padStart(8, "0"));
  assert.deepEqual(hex(philox([0, 0], [0, 0, 0, 0])), ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]);
  const ones = 0xffffffff;
  assert.deepEqual(hex(philox([ones, ones], [ones, ones, ones, ones])), [
    "408f276d",
    "41c83b0e",
    "a20bc7c6",
    "6d5451fd",
  ]);
  const key = [0xa4093822, 0x299f31d0] as const;
  const counter = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344] as const;
  assert.deepEqual(hex(philox(key, counter)), ["d16cfe09", "94fdcceb", "5001e420", "24126ea1"]);
});

test("a permutation holds every number once and places them evenly", () => {
  const first = new Float64Array(5);
  for (let epoch = 0; epoch < 2000; epoch++) {
    const order = permutation(5, 17, 0, epoch);
    assert.deepEqual(Array.from(order).sort(), [0, 1, 2, 3, 4]);
    first[order[0]!]!++;
  }
  // 400 expected, standard deviation 17.9: five deviations.
  for (const count of first) assert.ok(Math.abs(count - 400) < 90, `${first}`);
});

test("every epoch of a shuffle holds every task once, in an order of its own", () => {
  const sampler = createSampler(tasks, "shuffle", 5);
  const epochs = [draw(sampler, 7), draw(sampler, 7), draw(sampler, 7)];
  for (const epoch of epochs) assert.deepEqual([...epoch].sort(), [0, 1, 2, 3, 4, 5, 6]);
  assert.equal(new Set(epochs.map(String)).size, 3);
  assert.notDeepEqual(draw(createSampler(tasks, "shuffle", 6), 7), epochs[0]);
});

test("a step is always full, and its slots count from 0, also where a task is drawn twice", () => {
  const drawn = createSampler(tasks.slice(0, 2), "sequential", 0).next(5);
  assert.deepEqual(
    drawn.map(({ task, slotIndex }) => [task.index, slotIndex]),
    [
      [0, 0],
      [1, 1],
      [0, 2],
      [1, 3],
      [0, 4],
    ],
  );
});

test("draws do not depend on the size of steps, and a saved state goes on where it was", () => {
  const whole = draw(createSampler(tasks, "shuffle", 9), 20);
  const sampler = createSampler(tasks, "shuffle", 9);
  const parts = [...draw(sampler, 3), ...draw(sampler, 8)];
  const resumed = createSampler(tasks, "shuffle", 9);
  resumed.loadState(JSON.parse(JSON.stringify(sampler.saveState())));
  assert.deepEqual([...parts, ...draw(resumed, 9)], whole);
});
