import { existsSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { readMetrics, type StepMetrics } from "../report/metrics.js";
import { readRollouts } from "../report/rollouts.js";
import { latestCheckpoint, runFolderAt } from "../report/run-folder.js";
import { describe } from "./evaluation.js";

/**
 * What a finished run says last: its first and last evaluation one above the other, where things are, and commands that go on
 * from here, ready to copy.
 *
 * @param runDir folder of the run
 * @param program how the user calls this program, for example `grpo`
 */
export function closingLines(runDir: string, program: string): string[] {
  const folder = runFolderAt(runDir);
  const checkpoint = latestCheckpoint(runDir);
  const lines = [`done: ${folder.path}`, ...gain(readMetrics(folder.metrics))];
  if (checkpoint !== null) lines.push(`model   ${shown(checkpoint.path)}`);
  if (existsSync(folder.report)) lines.push(`report  ${shown(folder.report)}`);
  if (checkpoint === null) return lines;
  const model = shown(checkpoint.path);
  return [
    ...lines,
    "",
    "what to try next:",
    ...(existsSync(folder.report) ? ["  open the report in a browser: curves, best and worst completions"] : []),
    `  ${program} generate --model ${model} --prompt "${somePrompt(folder.rollouts) ?? "TEXT"}" --samples 4`,
    `  ${program} export --checkpoint ${model} --format hf --out ${shown(`${runDir}-model`)} --verify`,
    `  ${program} recipes list        then put \`extends: recipe:NAME\` at the top of your configuration`,
  ];
}

/** The first and the last evaluation of the last stage that was evaluated; one line where there is only one. */
function gain(records: readonly StepMetrics[]): string[] {
  const evaluated = records.filter((record) => "eval/reward/mean" in record);
  const stage = evaluated.at(-1)?.stage;
  const [first, ...rest] = evaluated.filter((record) => record.stage === stage);
  const last = rest.at(-1);
  if (first === undefined) return [];
  if (last === undefined) return [`result  ${scores(first)}, step ${first.step}`];
  return [`before  ${scores(first)}, step ${first.step}`, `after   ${scores(last)}, step ${last.step}`];
}

function scores(record: StepMetrics): string {
  const number = (name: string) => Number(record[`eval/${name}`]);
  const value = record["eval/accuracy"];
  const accuracy =
    typeof value === "number" ? { value, low: number("accuracy_low"), high: number("accuracy_high") } : null;
  return describe({ "reward/mean": number("reward/mean") }, accuracy);
}

/** A prompt the run was trained on, if it can stand between double quotes in a shell. */
function somePrompt(rolloutsDir: string): string | undefined {
  if (!existsSync(rolloutsDir)) return undefined;
  const file = readdirSync(rolloutsDir).sort().at(-1);
  if (file === undefined) return undefined;
  return readRollouts(join(rolloutsDir, file)).find(({ prompt }) => /^[\w+=.,:;?' -]{1,60}$/.test(prompt))?.prompt;
}

/** A path as the user would type it from here. */
function shown(path: string): string {
  const here = relative(process.cwd(), path);
  return here.startsWith("..") ? path : here;
}
