import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { engineInfo } from "../src/engine/engine-info.js";
import { runProgram } from "./peer.js";
import { shapes } from "./shapes.js";

const root = fileURLToPath(new URL("../../", import.meta.url));

/**
 * The works of the race: shape, prompt, group, completion, type. As many steps as it takes until most are warm: the first two
 * ask for memory.
 */
const works = [
  { shape: "0.28m", prompt: 64, group: 16, completion: 32, dtype: "fp32", steps: 40, peerSteps: 40 },
  { shape: "19m", prompt: 256, group: 8, completion: 64, dtype: "fp32", steps: 12, peerSteps: 5 },
  { shape: "qwen2.5-0.5b", prompt: 256, group: 8, completion: 32, dtype: "fp32", steps: 6, peerSteps: 2 },
  { shape: "qwen2.5-0.5b", prompt: 256, group: 8, completion: 32, dtype: "bf16", steps: 6, peerSteps: 2 },
];

interface Result {
  step_s: number;
  rollout_s: number;
  peak_rss_mb: number;
}

/** One GRPO step on random weights, this toolkit and TRL one after the other in one run. */
export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { python: { type: "string" }, only: { type: "string" } } });
  const { python, only } = values;
  if (python === undefined)
    throw new Error("usage: npm run bench -- race --python PATH [--only 0.28m|19m|qwen2.5-0.5b]");
  const threads = String(engineInfo().threads);
  for (const work of works.filter(({ shape }) => only === undefined || shape === only)) {
    const common = [
      "--prompt",
      work.prompt,
      "--completion",
      work.completion,
      "--group",
      work.group,
      "--dtype",
      work.dtype,
    ].map(String);
    const last = (out: string) => JSON.parse(out.trim().split("\n").at(-1)!) as Result;
    const ours = last(
      await runProgram(process.execPath, [
        join(root, "dist/bench/main.js"),
        "step",
        "--shape",
        work.shape,
        "--steps",
        String(work.steps),
        ...common,
        "--json",
      ]),
    );
    const config = JSON.stringify(shapes[work.shape]);
    const peer = last(
      await runProgram(python, [
        join(root, "bench/trl_step.py"),
        "--config",
        config,
        "--steps",
        String(work.peerSteps),
        "--threads",
        threads,
        ...common,
      ]),
    );
    const line = (name: string, { step_s, rollout_s, peak_rss_mb }: Result) =>
      `  ${name.padEnd(5)} step ${step_s.toFixed(3)} s (rollout ${rollout_s.toFixed(3)})  peak ${(peak_rss_mb / 1024).toFixed(2)} GB`;
    console.log(
      `${work.shape} ${work.dtype}, prompt ${work.prompt}, group ${work.group}, completion ${work.completion}`,
    );
    console.log(`${line("grpo", ours)}\n${line("trl", peer)}\n  trl / grpo: ${(peer.step_s / ours.step_s).toFixed(1)}`);
  }
}
