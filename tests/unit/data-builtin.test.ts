import assert from "node:assert/strict";
import { test } from "node:test";
import { additionTask } from "../../src/data/builtin/addition.js";
import { readRecords } from "../../src/data/source.js";
import { GrpoError } from "../../src/errors.js";

test("addition asks every sum once, in train or in test, never in both, not even mirrored", () => {
  const train = additionTask({ max: 30 });
  const test = additionTask({ max: 30, split: "test" });
  assert.equal(train.length + test.length, 31 * 31);
  assert.equal(new Set([...train, ...test].map((row) => row.prompt)).size, 31 * 31);
  const seen = new Set(train.map((row) => row.prompt));
  for (const { a, b } of test) assert.ok(!seen.has(`${b}+${a}=`) && !seen.has(`${a}+${b}=`));
  for (const { prompt, answer, a, b } of [...train, ...test]) {
    assert.equal(prompt, `${a}+${b}=`);
    assert.equal(answer, String(Number(a) + Number(b)));
  }
  assert.ok(Math.abs(test.length / 961 - 0.2) < 0.05);
});

test("the seed orders the rows of addition and nothing else", () => {
  const [one, two, again] = [additionTask({ seed: 1 }), additionTask({ seed: 2 }), additionTask({ seed: 1 })];
  assert.deepEqual(one, again);
  assert.notDeepEqual(one, two);
  const sorted = (rows: Record<string, unknown>[]) => rows.map((row) => String(row.prompt)).sort();
  assert.deepEqual(sorted(one), sorted(two));
});

test("a built-in task is read like a file, with its options and a limit", async () => {
  const large = await readRecords({ builtin: "addition", min: 97, max: 99, max_second: 3, split: "train" });
  assert.ok(large.length > 0 && large.every((row) => Number(row.a) >= 97 && Number(row.b) <= 3));
  const rows = await readRecords({ builtin: "addition", max: 9, max_second: 3, split: "test", limit: 5 });
  assert.equal(rows.length, 5);
  assert.ok(rows.every((row) => Number(row.a) <= 9 && Number(row.b) <= 3));
});

test("an unknown task or option is refused with what there is", async () => {
  const message = /there is no built-in task "additon"/;
  await assert.rejects(
    readRecords({ builtin: "additon" }),
    (error) =>
      error instanceof GrpoError && message.test(error.message) && error.fix === "use one of addition, grid_world",
  );
  assert.throws(() => additionTask({ split: "dev" }), /built-in task addition: split "dev" does not exist/);
  assert.throws(() => additionTask({ min: 9, max: 8 }), /min must be an integer from 0 to max, which is 8/);
  assert.throws(() => additionTask({ max: 0 }), /max and max_second must be integers from 1 to 999/);
});
