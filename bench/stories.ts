import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { engineInfo } from "../src/engine/engine-info.js";
import { readMetrics } from "../src/report/metrics.js";
import { runProgram, summary } from "./peer.js";

const usage = "usage: npm run bench -- stories --model DIR --data train.jsonl [--python PATH] [--steps 60]";
const root = fileURLToPath(new URL("../../", import.meta.url));

/** The stories task with this toolkit and, given a Python with TRL, with TRL: seconds and mean reward, one after the other. */
export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: "string" },
      data: { type: "string" },
      python: { type: "string" },
      steps: { type: "string", default: "60" },
    },
  });
  const { model, data, python, steps } = values;
  if (model === undefined || data === undefined) throw new Error(usage);
  const folder = mkdtempSync(join(tmpdir(), "grpo-stories-"));
  try {
    const sets = [
      `model.path=${model}`,
      `data.train.path=${data}`,
      `train.steps=${steps}`,
      `run.out_dir=${folder}`,
      "checkpoint.every=0",
    ];
    const started = performance.now();
    await runProgram(process.execPath, [
      join(root, "dist/src/cli/main.js"),
      "train",
      "--config",
      join(root, "configs/stories/run.yaml"),
      ...sets.flatMap((set) => ["--set", set]),
    ]);
    const seconds = (performance.now() - started) / 1000;
    const records = readMetrics(join(folder, "stories", "metrics.jsonl"));
    const steps_s = records.reduce((sum, row) => sum + Number(row["time/step_s"]), 0);
    console.log(
      `grpo: ${steps_s.toFixed(1)} s in its steps, ${seconds.toFixed(1)} s from process start to end; ${summary(records.map((row) => Number(row["reward/mean"])))}`,
    );
    if (python === undefined) return;
    const out = await runProgram(python, [
      join(root, "bench/trl_stories.py"),
      ...["--model", model, "--data", data, "--steps", steps, "--threads", String(engineInfo().threads)],
    ]);
    const peer = JSON.parse(out.trim().split("\n").at(-1)!) as { seconds: number; rewards: number[] };
    console.log(`trl:  ${peer.seconds.toFixed(1)} s in train() alone; ${summary(peer.rewards)}`);
    console.log(
      `trl / grpo: ${(peer.seconds / steps_s).toFixed(2)} by steps, ${(peer.seconds / seconds).toFixed(2)} with all of grpo and train() alone of TRL`,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
