import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";

const interrupt = new URL("../../src/cli/interrupt.js", import.meta.url).href;

/** A program that runs until its signal aborts; with `deaf`, for ever. */
function start(deaf: boolean) {
  const wait = deaf ? "" : 'signal.addEventListener("abort", () => { console.log("saved"); clearInterval(timer); });';
  const program = `import { interruptSignal } from "${interrupt}";
    const signal = interruptSignal();
    const timer = setInterval(() => {}, 1000);
    ${wait}
    console.log("ready");`;
  return spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: ["ignore", "pipe", "pipe"] });
}

test("the first Ctrl-C lets the program save and it then exits 130", async () => {
  const child = start(false);
  const text = { out: "", err: "" };
  child.stdout.on("data", (chunk) => {
    text.out += chunk;
    if (text.out === "ready\n") child.kill("SIGINT");
  });
  child.stderr.on("data", (chunk) => {
    text.err += chunk;
  });
  const [code] = await once(child, "close");
  assert.equal(code, 130);
  assert.equal(text.out, "ready\nsaved\n");
  assert.equal(text.err, "grpo: stopping once the state is saved; press Ctrl-C again to stop at once\n");
});

test("a second Ctrl-C ends a program that does not stop", async () => {
  const child = start(true);
  child.stdout.on("data", () => child.kill("SIGINT"));
  child.stderr.on("data", () => child.kill("SIGINT"));
  const [code] = await once(child, "close");
  assert.equal(code, 130);
});
