import assert from "node:assert/strict";
import { test } from "node:test";
import type { GrpoError } from "../../src/errors.js";
import { rewardsIn, samplesOf, training } from "./rewards-samples.js";

/** A program that answers each line with the value of an expression over `request`. */
const program = (answer: string) => `
const lines = require("node:readline").createInterface({ input: process.stdin });
let calls = 0;
lines.on("line", (line) => {
  const request = JSON.parse(line);
  calls++;
  process.stdout.write((${answer}) + "\\n");
});`;

const spec = (more: object = {}) => ({
  name: "outside",
  kind: "command",
  command: [process.execPath, "p.cjs"],
  ...more,
});

async function failure(t: Parameters<typeof rewardsIn>[0], answer: string, more: object = {}): Promise<string> {
  const set = await rewardsIn(t, [spec(more)], { "p.cjs": program(answer) });
  const error = await set.score(samplesOf(["one", "two"]), training).then(
    () => assert.fail("it was scored"),
    (thrown: GrpoError) => thrown,
  );
  assert.equal(error.exitCode, 1);
  return error.message;
}

test("a command is started once and answers a line per call", async (t) => {
  const answer =
    "JSON.stringify({ rewards: request.samples.map((s) => s.tokens.length + 10 * calls), metrics: { calls_seen: calls } })";
  const set = await rewardsIn(t, [spec()], { "p.cjs": program(answer) });
  const { components } = await set.score([...samplesOf(["a", "bb"]), ...samplesOf(["c"], { group: 1 })], training);
  assert.deepEqual(components.outside, [11, 12, 21]);
  assert.deepEqual(set.metrics(), {
    "reward/outside/calls": 2,
    "reward/outside/errors": 0,
    "reward/outside/calls_seen": 1.5,
  });
});

test("a command may be a shell line and may answer a bare list with null", async (t) => {
  const set = await rewardsIn(t, [spec({ command: `"${process.execPath}" p.cjs` })], {
    "p.cjs": program('"[null, 1]"'),
  });
  assert.deepEqual((await set.score(samplesOf(["a", "b"]), training)).components.outside, [null, 1]);
});

test("wrong answers of a command are told", async (t) => {
  const start = 'in the call that starts with sample 0 of group 0 ("one")';
  assert.equal(await failure(t, '"[1]"'), `reward "outside": answered 1 values for 2 samples, ${start}`);
  assert.equal(
    await failure(t, '"[1, NaN]"'),
    `reward "outside": answered a line that is not JSON: "[1, NaN]", ${start}`,
  );
  assert.equal(
    await failure(t, `'[1, "x"]'`),
    'reward "outside": the value of sample 1 of group 0 ("two") is the string "x"',
  );
  assert.equal(
    await failure(t, `'{"rewards": [1, 2], "metrics": {"m": "x"}}'`),
    'reward "outside": its metric "m" is not a number',
  );
});

test("the end of a command and its last words are told", async (t) => {
  const message = await failure(
    t,
    '(process.stderr.write("oh no"), process.exitCode = 3, lines.close(), process.stdin.destroy(), "")',
  );
  assert.match(message, /^reward "outside": (answered a line that is not JSON: ""|the command ended with code 3)/);
  const crash = await failure(t, "(() => { throw new RangeError('out of it'); })()");
  assert.match(crash, /the command ended with code 1, in the call that starts with sample 0 .*RangeError: out of it/s);
});

test("a command that does not answer is killed at its time-out", { timeout: 5000 }, async (t) => {
  const message = await failure(t, "(() => { for (;;); })()", { timeout_s: 0.5 });
  assert.match(message, /^reward "outside": no answer within 0\.5 s, in the call that starts with sample 0/);
});

test("a command that cannot be started is told", async (t) => {
  const message = await failure(t, "0", { command: ["no-such-program-here"] });
  assert.match(message, /cannot start the command: spawn no-such-program-here ENOENT/);
});
