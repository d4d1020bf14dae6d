import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { formatNumber, lineChart, niceTicks } from "../../src/report/chart.js";
import { renderReport } from "../../src/report/html.js";
import { metricMeaning } from "../../src/report/metric-meaning.js";
import { MetricsLog } from "../../src/report/metrics.js";
import { writeRollouts } from "../../src/report/rollouts.js";
import { openRunFolder, stepName } from "../../src/report/run-folder.js";

test("a report holds curves, meanings, samples and the config, escaped, and nothing from outside", (t) => {
  const base = mkdtempSync(join(tmpdir(), "grpo-html-"));
  t.after(() => rmSync(base, { recursive: true, force: true }));
  const run = openRunFolder(join(base, "demo"), "refuse");
  assert.throws(() => renderReport(run.path), { message: `there are no metrics in ${run.path}`, exitCode: 4 });
  const log = new MetricsLog(run.metrics);
  for (let step = 1; step <= 30; step++) {
    log.append({
      step,
      stage: step < 10 ? "sft" : "grpo",
      "reward/mean": step / 30,
      "reward/style/mean": 0.5,
      loss: 1e-6,
      "kl/mean": null,
      ...(step === 30 && { "eval/accuracy": 0.9, "eval/accuracy_low": 0.8, "eval/accuracy_high": 0.95 }),
    });
  }
  log.close();
  writeFileSync(run.resolvedConfig, "run: {name: demo} # <default>\n");
  const rows = [0, 1, 2, 3].map((sample) => ({
    group: 0,
    sample,
    prompt: "Is 1 < 2?",
    completion: `answer <b>${sample}</b>`,
    finish: "stop",
    tokens: Int32Array.of(1, 2),
    logprobs: Float32Array.of(-1, -1),
    components: { style: sample === 3 ? null : 0.25 },
    reward: sample,
    advantage: Float64Array.of(0, 0),
  }));
  writeRollouts(join(run.rollouts, `${stepName(30)}.arrow`), rows);
  const page = renderReport(run.path);
  for (const part of [
    "<h1>demo</h1>",
    "30 steps: sft, then grpo",
    "eval/accuracy<b>0.9</b>",
    "95 %: 0.8 to 0.95",
    "<title>step 30: reward/mean 1</title>",
    "A loss near 0 is normal here",
    "Mean of the reward component style, before its weight.",
    "run: {name: demo} # &lt;default&gt;",
    "Is 1 &lt; 2?</span>answer &lt;b&gt;3&lt;/b&gt;",
    "style not applicable; 2 tokens; ended by stop",
  ]) {
    assert.ok(page.includes(part), part);
  }
  assert.ok(!page.includes("kl/mean"), "a metric that was never measured has no chart");
  assert.ok(!/(?:src|href)=|https?:|NaN|undefined|<b>\d<\/b>answer/.test(page));
  assert.ok(page.indexOf("answer &lt;b&gt;3") < page.indexOf("answer &lt;b&gt;0"), "best before worst");
  assert.equal(renderReport(run.path), page);
});

test("ticks are round, cover the values and read without rounding noise", () => {
  assert.deepEqual(niceTicks(0, 1, 4), [0, 0.5, 1]);
  assert.deepEqual(niceTicks(0.1, 0.3, 4), [0.1, 0.15, 0.2, 0.25, 0.3]);
  assert.deepEqual(niceTicks(-3e-6, 3e-6, 3), [-4e-6, -2e-6, 0, 2e-6, 4e-6]);
  for (const [low, high] of [
    [5, 5],
    [0, 0],
    [-2, -2],
    [1, 1e9],
    [0.123, 0.124],
  ] as const) {
    const ticks = niceTicks(low, high, 4);
    assert.ok(
      ticks.length >= 2 && ticks.length <= 7 && ticks[0]! <= low && ticks.at(-1)! >= high,
      `${low} ${high}: ${ticks}`,
    );
  }
});

test("numbers are short", () => {
  assert.deepEqual([0, 0.123456, -12.3456, 0.000012, 34_567, 2_500_000, 3e12].map(formatNumber), [
    "0",
    "0.1235",
    "-12.35",
    "1.2e-5",
    "34.6k",
    "2.5M",
    "3.0e+12",
  ]);
});

test("a chart thins long curves and leaves out what is not a number", () => {
  const x = Array.from({ length: 5000 }, (_, i) => i);
  const chart = lineChart([{ name: "m", x, y: x.map((i) => (i % 2 ? null : Math.sin(i))) }]);
  assert.ok(chart.match(/<circle/g)!.length <= 240);
  assert.ok(!chart.includes("NaN"));
  assert.equal(lineChart([{ name: "m", x: [1], y: [null] }]), "");
  assert.match(lineChart([{ name: "m", x: [1], y: [2] }]), /class="dot s0"/);
});

test("every metric has a sentence", () => {
  for (const name of [
    "loss",
    "reward/mean",
    "reward/a/mean",
    "reward/a/words",
    "eval/pass@8",
    "eval/accuracy/low",
    "time/save_s",
    "x",
  ]) {
    assert.match(metricMeaning(name), /^[A-Z].*\.$/);
  }
});
