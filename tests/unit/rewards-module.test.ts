import assert from "node:assert/strict";
import { test } from "node:test";
import type { GrpoError } from "../../src/errors.js";
import { rewardsIn, samplesOf, training } from "./rewards-samples.js";

const spec = (more: object = {}) => ({ name: "style", kind: "module", module: "reward.mjs", ...more });

/** Message of the error that scoring three samples of one group ends with. */
async function failure(t: Parameters<typeof rewardsIn>[0], source: string, more: object = {}): Promise<GrpoError> {
  const set = await rewardsIn(t, [spec(more)], { "reward.mjs": source });
  const error = await set.score(samplesOf(["one", "two", "three"]), training).then(
    () => assert.fail("it was scored"),
    (thrown: GrpoError) => thrown,
  );
  assert.equal(error.exitCode, 1);
  assert.ok(error.fix);
  return error;
}

test("a module scores whole groups, sees every field, may be async and may log", async (t) => {
  const source = `
    export default async function (samples, context) {
      context.log("size", samples.length);
      return samples.map((s) => (s.finish === "length" ? null : s.tokens.length + context.step + s.record.bonus));
    }`;
  const set = await rewardsIn(t, [spec({ weight: 0.5 })], { "reward.mjs": source });
  const record = { bonus: 100 };
  const samples = [
    ...samplesOf(["a", "bb"], { record }),
    ...samplesOf(["ccc"], { record, group: 1 }),
    ...samplesOf(["d"], { record, group: 2, finish: "length" }),
  ];
  const { components, total } = await set.score(samples, training);
  assert.deepEqual(components, { style: [102, 103, 104, null] });
  assert.deepEqual([...total], [51, 51.5, 52, Number.NaN]);
  assert.deepEqual(set.metrics(), { "reward/style/calls": 3, "reward/style/errors": 0, "reward/style/size": 4 / 3 });
  assert.deepEqual(set.metrics(), { "reward/style/calls": 0, "reward/style/errors": 0 });
  assert.deepEqual(samples[1]!.tokens, Int32Array.of(98, 98), "the caller's arrays are untouched");
});

test("scope decides what one call receives", async (t) => {
  const source = "export default (samples) => samples.map(() => samples.length)";
  const set = await rewardsIn(
    t,
    [spec({ name: "one", scope: "sample" }), spec({ name: "group" }), spec({ name: "step", scope: "step" })],
    { "reward.mjs": source },
  );
  const samples = [...samplesOf(["a", "b"]), ...samplesOf(["c"], { group: 1 })];
  const { components } = await set.score(samples, training);
  assert.deepEqual(components, { one: [1, 1, 1], group: [2, 2, 1], step: [3, 3, 3] });
  assert.equal(set.needsWholeStep, true);
});

test("a TypeScript module runs, and may import another one", async (t) => {
  const files = {
    "reward.ts": `import { bonus } from "./bonus.ts";
      interface Sample { completion: string }
      export default (samples: Sample[]): number[] => samples.map((s) => s.completion.length + bonus);`,
    "bonus.ts": "export const bonus: number = 0.5;",
  };
  const set = await rewardsIn(t, [spec({ module: "reward.ts" })], files);
  assert.deepEqual((await set.score(samplesOf(["ab"]), training)).components.style, [2.5]);
});

test("a module sees the components it needs", async (t) => {
  const source = "export default (samples) => samples.map((s) => (s.rewards.short === 1 ? 10 : -10))";
  const set = await rewardsIn(t, [spec({ needs: ["short"] }), { name: "short", kind: "length", max: 1 }], {
    "reward.mjs": source,
  });
  assert.deepEqual((await set.score(samplesOf(["a", "bb"]), training)).components.style, [10, -10]);
});

test("a list of the wrong length is told with both lengths", async (t) => {
  const error = await failure(t, "export default () => [1]");
  assert.equal(
    error.message,
    'reward "style": answered 1 values for 3 samples, in the call that starts with sample 0 of group 0 ("one")',
  );
});

test("NaN, Infinity, undefined, strings and promises are told with their sample", async (t) => {
  for (const [value, told] of [
    ["NaN", "NaN"],
    ["-Infinity", "-Infinity"],
    ["undefined", "undefined"],
    ["'1'", 'the string "1"'],
    ["Promise.resolve(1)", "an object (Promise)"],
    ["10n", "the bigint 10"],
  ]) {
    const error = await failure(t, `export default () => [1, ${value}, 1]`);
    assert.equal(error.message, `reward "style": the value of sample 1 of group 0 ("two") is ${told}`);
  }
  const error = await failure(t, "export default () => 1");
  assert.equal(
    error.message,
    'reward "style": answered 1 instead of a list, in the call that starts with sample 0 of group 0 ("one")',
  );
});

test("a throw is told with its place in the file and the sample it read last", async (t) => {
  const source = `export default (samples) => samples.map((s) => {
  if (s.completion === "two") null.x;
  return 1;
});`;
  const error = await failure(t, source);
  assert.equal(
    error.message,
    `reward "style": TypeError: Cannot read properties of null (reading 'x') (reward.mjs:2:36); the sample it read last is sample 1 of group 0 ("two")`,
  );
});

test("a rejected promise and a thrown value that is no Error are told", async (t) => {
  const error = await failure(t, "export default async () => { throw 'no'; }");
  assert.equal(
    error.message,
    'reward "style": threw no; it had read no sample yet, the first being sample 0 of group 0 ("one")',
  );
});

test("an endless loop is ended at its time-out and told with the sample", { timeout: 5000 }, async (t) => {
  const source = 'export default (samples) => samples.map((s) => { while (s.completion === "three"); return 1; })';
  const start = performance.now();
  const error = await failure(t, source, { timeout_s: 0.3 });
  assert.equal(
    error.message,
    'reward "style": no answer within 0.3 s; the sample it read last is sample 2 of group 0 ("three")',
  );
  assert.ok(performance.now() - start < 2000);
});

test("a promise that never settles is ended at the time-out as well", { timeout: 5000 }, async (t) => {
  const error = await failure(t, "export default () => new Promise(() => {})", { timeout_s: 0.2 });
  assert.match(error.message, /no answer within 0\.2 s/);
});

test("process.exit and an error outside of the call are told", async (t) => {
  const exited = await failure(t, "export default (s) => { s[0]; process.exit(7); }");
  assert.equal(
    exited.message,
    'reward "style": its thread ended with code 7; the sample it read last is sample 0 of group 0 ("one")',
  );
  const stray = await failure(
    t,
    "export default () => { setTimeout(() => { throw new Error('late'); }); return new Promise(() => {}); }",
  );
  assert.match(stray.message, /Error: late .*outside of a call/);
});

test("with on_error: skip a failing call does not apply, is counted, said, and the next call works", async (t) => {
  const source = `export default (samples) => {
    if (samples[0].completion === "loop") for (;;);
    return samples.map(() => 1);
  }`;
  const said: string[] = [];
  const set = await rewardsIn(
    t,
    [spec({ on_error: "skip", timeout_s: 0.3 })],
    { "reward.mjs": source },
    {
      print: (text) => said.push(text),
    },
  );
  const samples = [...samplesOf(["loop", "x"]), ...samplesOf(["y"], { group: 1 })];
  const { components, total } = await set.score(samples, training);
  assert.deepEqual(components.style, [null, null, 1]);
  assert.deepEqual([...total], [Number.NaN, Number.NaN, 1]);
  assert.deepEqual(set.metrics(), { "reward/style/calls": 2, "reward/style/errors": 1 });
  assert.deepEqual(said, [
    'reward "style": no answer within 0.3 s; the sample it read last is sample 0 of group 0 ("loop"); skipped\n',
  ]);
});

test("a missing module is a data error with its full path", async (t) => {
  await assert.rejects(rewardsIn(t, [spec({ module: "nowhere.mjs" })]), (error: GrpoError) => {
    assert.match(error.message, /^reward "style": there is no file \/.*\/nowhere\.mjs$/);
    return error.exitCode === 4;
  });
});

test("a module that cannot be loaded says why and where", async (t) => {
  const load = (source: string, name = "reward.mjs", loadTimeoutS = 30) =>
    rewardsIn(t, [spec({ module: name })], { [name]: source }, { loadTimeoutS }).then(
      () => assert.fail("it was loaded"),
      (error: GrpoError) => error.message,
    );
  assert.equal(await load("export const reward = 1;"), 'reward "style": reward.mjs has no default export');
  assert.equal(await load("export default 1;"), 'reward "style": reward.mjs has a default export of type number');
  assert.equal(
    await load("\nthrow new Error('broken');"),
    'reward "style": cannot load reward.mjs: Error: broken (reward.mjs:2:7)',
  );
  assert.match(
    await load("export default (samples => ;"),
    /cannot load reward\.mjs: SyntaxError: Unexpected token ';' \(reward\.mjs:1/,
  );
  assert.match(
    await load("\nexport default (s: number => 1", "reward.ts"),
    /cannot load reward\.ts: .*SyntaxError: .*\(reward\.ts:2/,
  );
  assert.match(await load("for (;;);", "reward.mjs", 0.5), /no answer within 0\.5 s; while it was loaded/);
});

test("what a module prints goes where the caller wants it", async (t) => {
  const printed: string[] = [];
  const set = await rewardsIn(
    t,
    [spec()],
    { "reward.mjs": "export default (s) => { console.log('hello'); return s.map(() => 1); }" },
    { print: (text) => printed.push(text) },
  );
  await set.score(samplesOf(["a"]), training);
  await set.close();
  assert.equal(printed.join(""), "hello\n");
});
