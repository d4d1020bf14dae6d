import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { GrpoError } from "../../src/errors.js";
import { moduleEnvironment } from "../../src/rollout/environments/module-environment.js";

const folder = mkdtempSync(join(tmpdir(), "grpo-environment-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

async function environmentOf(code: string, timeoutS = 5) {
  const path = join(folder, `${files++}.ts`);
  writeFileSync(path, code);
  return { path, environment: await moduleEnvironment(path, timeoutS, 7) };
}

const task = (record: Record<string, unknown>) => ({ index: 0, prompt: new Int32Array(0), text: "", record });
const messageOf = (path: string, what: string) => (error: unknown) =>
  error instanceof GrpoError && error.message === `environment ${path}: ${what}`;

test("a module plays many runs at once, each with its own state", async () => {
  const { environment } = await environmentOf(`
    export const stop: string[] = ["!"];
    export default (record: { from: number }, { seed }: { seed: number }) => {
      let sum = record.from;
      return {
        anchor: String(sum),
        async step(action: string, final: boolean) {
          sum += Number(action);
          return { observation: " " + sum, done: sum > 9, reward: final ? seed : 0, anchor: sum, extra: 1 };
        },
      };
    };`);
  assert.deepEqual(environment.stop, ["!"]);
  const [a, b] = await environment.start(task({ from: 2 }), 2);
  assert.equal(a!.anchor, "2");
  assert.deepEqual(await a!.step("3", false), { observation: " 5", done: false, reward: 0, anchor: "5" });
  assert.deepEqual(await b!.step("9", true), { observation: " 11", done: true, reward: 7, anchor: "11" });
  assert.deepEqual(await a!.step("1", false), { observation: " 6", done: false, reward: 0, anchor: "6" });
  await environment.close();
});

test("an exception, a wrong answer and an endless loop are told with the file and the action", async () => {
  const { path, environment } = await environmentOf(
    `export default () => ({ step(action) {
      if (action === "loop") for (;;);
      if (action === "wrong") return { observation: 3 };
      throw new Error("no " + action);
    } })`,
    1,
  );
  const [run] = await environment.start(task({}), 1);
  await assert.rejects(run!.step("x", false), messageOf(path, 'step("x"): Error: no x'));
  await assert.rejects(
    run!.step("wrong", false),
    messageOf(path, 'step("wrong"): TypeError: step: observation is a number, not a text'),
  );
  await assert.rejects(run!.step("loop", false), messageOf(path, "no answer within 1 s"));
  await environment.close();
});

test("a file that is missing or exports no function is refused before the run", async () => {
  const missing = join(folder, "missing.ts");
  await assert.rejects(moduleEnvironment(missing, 1, 0), { code: "GRPO_ENVIRONMENT_FILE" });
  await assert.rejects(environmentOf("export const step = 1;"), (error: Error) =>
    error.message.endsWith("cannot be loaded: TypeError: the file has no default export that is a function"),
  );
});
