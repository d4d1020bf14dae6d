import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { createProgress, formatDuration } from "../../src/report/progress.js";

function capture(terminal: boolean): { stream: PassThrough; text: () => string } {
  const stream = Object.assign(new PassThrough(), { columns: 100, ...(terminal && { isTTY: true }) });
  let text = "";
  stream.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  return { stream, text: () => text };
}

test("without a terminal each step is one plain line", async () => {
  const { stream, text } = capture(false);
  let time = 0;
  const progress = createProgress({ total: 12, start: 10, stream, label: "grpo", now: () => time });
  time = 3000;
  progress.step({
    step: 11,
    "reward/mean": 0.5,
    loss: -0.00004,
    "kl/mean": null,
    "tokens/rollout": 2469,
    "time/step_s": 2,
  });
  progress.message("checkpoint at step 11");
  progress.step({ step: 11, "eval/accuracy": 0.5 });
  progress.step({ step: 12, loss: 1, "reward/mean": Number.NaN, stage: "grpo" });
  progress.stop();
  await new Promise(setImmediate);
  assert.equal(
    text(),
    "grpo 11/12  reward 0.500  loss 0.0000  tokens/s 1235  eta 3s\ncheckpoint at step 11\ngrpo 12/12  loss 1.0000\n",
  );
});

test("on a terminal a message is written on a cleared line and the bar is drawn again below it", async () => {
  const { stream, text } = capture(true);
  const progress = createProgress({ total: 2, stream, label: "grpo" });
  progress.step({ step: 1, "reward/mean": 0.25 });
  progress.message("saved");
  progress.stop();
  await new Promise(setImmediate);
  assert.ok(
    text().includes("\u001b[1G\u001b[2Ksaved\n\u001b[1Ggrpo ==========---------- 1/2  reward 0.250"),
    JSON.stringify(text()),
  );
  assert.ok(text().endsWith("\n"));
});

test("durations are short", () => {
  assert.deepEqual([0.4, 59.4, 60, 3599.6, 7500].map(formatDuration), ["0s", "59s", "1m00s", "1h00m", "2h05m"]);
});
