import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { engineInfo } from "../src/engine/engine-info.js";
import { runProgram } from "./peer.js";
import type { StepResult } from "./step.js";
import { table } from "./timing.js";

const main = fileURLToPath(new URL("./main.js", import.meta.url));

/** Settings of a step; each table changes one of them. */
const base = { threads: engineInfo().threads, group: 8, prompt: 256, completion: 64 };
const changes: { [K in keyof typeof base]: number[] } = {
  threads: Array.from({ length: engineInfo().threads }, (_, i) => i + 1),
  group: [1, 2, 4, 8, 16, 32],
  prompt: [64, 256, 1024],
  completion: [16, 64, 256],
};

/** `npm run bench -- scaling`: time per step against threads, group size, prompt and completion length, beside its floor. */
export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { shape: { type: "string", default: "19m" }, dtype: { type: "string", default: "fp32" } },
  });
  for (const [name, settings] of Object.entries(changes)) {
    const rows: string[][] = [];
    for (const setting of settings) {
      const { threads, ...work } = { ...base, [name]: setting };
      const options = Object.entries({ ...work, ...values, steps: 6 }).flatMap(([key, value]) => [
        `--${key}`,
        String(value),
      ]);
      const out = await runProgram(process.execPath, [main, "step", ...options, "--json"], {
        ...process.env,
        GRPO_THREADS: String(threads),
      });
      const { step_s, rollout_s, update_s, floor_s, tokens_unique, peak_rss_mb } = JSON.parse(out) as StepResult;
      rows.push([
        String(setting),
        ...[step_s, rollout_s, update_s, floor_s].map((seconds) => seconds.toFixed(3)),
        (step_s / floor_s).toFixed(2),
        (tokens_unique / step_s).toFixed(0),
        peak_rss_mb.toFixed(0),
      ]);
    }
    const header = [name, "step s", "rollout", "update", "floor s", "times floor", "tokens/s", "peak MB"];
    console.log(`${table(header, rows)}\n`);
  }
}
