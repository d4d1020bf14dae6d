import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryStats } from "../../src/engine/engine-info.js";
import { Tensor } from "../../src/engine/tensor.js";
import { loadAddon } from "../../src/native/load.js";

const MB = 2 ** 20;

/** Makes `count` tensors of `megabytes` each, says what is held then, and frees them. */
function hold(count: number, megabytes: number): { live: number; kept: number } {
  const tensors = Array.from({ length: count }, () => new Tensor("u8", [megabytes * MB]));
  const { liveBytes, cachedBytes } = memoryStats();
  for (const tensor of tensors) tensor.dispose();
  return { live: liveBytes / MB, kept: cachedBytes / MB };
}

test("freed memory is kept for tensors of about the same size, and with them never takes much more than tensors once did", () => {
  loadAddon().trimMemory();
  const most = hold(12, 40).live;
  assert.equal(memoryStats().cachedBytes / MB, most);
  // The same size, and one an eighth smaller at most, take kept blocks; so nothing new is asked of the system.
  assert.equal(hold(12, 39).kept, 0);
  for (const megabytes of [3, 100, 7, 61, 24]) {
    const { live, kept } = hold(Math.floor(most / megabytes), megabytes);
    assert.ok(live + kept <= most * 1.125 + 256, `${live} MB live and ${kept} MB kept where tensors took ${most} MB`);
  }
  loadAddon().trimMemory();
  assert.equal(memoryStats().cachedBytes, 0);
});
