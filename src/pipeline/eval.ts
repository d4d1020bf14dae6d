import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { rewardsSchema } from "../config/schema/rewards.js";
import { buildTasks } from "../data/prompt.js";
import { readRecords } from "../data/source.js";
import { ExitCode, GrpoError } from "../errors.js";
import { onDisk } from "../report/disk-error.js";
import { meanOverPrompts, passAtK } from "../report/statistics.js";
import { createRewards } from "../rewards/reward-set.js";
import { SamplingEngine } from "../rollout/sampling-engine.js";
import { parallelStrategy } from "../rollout/strategy.js";
import { chooseCoresets, coresetAccuracy } from "./coreset.js";
import { describe, type EvaluationResult, evaluateTasks } from "./evaluation.js";
import type { EvaluateOptions } from "./options.js";
import { loadModelFolder } from "./policy-model.js";
import { openTextEmbedder } from "./text-embedder.js";

/**
 * Scores a model on data files: accuracy or mean reward, pass@k and avg@k with 95 % intervals.
 *
 * @throws GrpoError for everything a user can mend
 */
export async function evaluate(options: EvaluateOptions): Promise<void> {
  const sources = options.benchmarks.map((name) => ({ name, path: benchmarkPath(name, options.data) }));
  const model = await loadModelFolder(options.model);
  const engine = new SamplingEngine(model.decoder, model.tokenizer, options.seed);
  const rewards = await createRewards(rewardSpecs(options), {
    baseDir: process.cwd(),
    seed: options.seed,
    openEmbedder: openTextEmbedder,
  });
  try {
    for (const { name, path } of sources) {
      const records = await readRecords({ path, ...(options.limit !== undefined && { limit: options.limit }) });
      const { tasks, summary } = buildTasks(records, {
        tokenizer: model.tokenizer,
        prompt: { template: options.template },
        maxPromptTokens: model.decoder.maxLength - 1,
        longPrompts: "drop",
        source: path,
      });
      console.log(summary.text);
      const result = await evaluateTasks(tasks, {
        strategy: parallelStrategy(),
        engine,
        rewards,
        sampling: {
          temperature: options.temperature,
          topK: 0,
          topP: 1,
          minP: 0,
          stop: [],
          maxTokens: options.maxCompletionTokens,
        },
        samples: options.samples,
        step: 0,
        version: 0,
      });
      for (const line of report(basename(name), result, options.samples)) console.log(line);
      const { coreset, seed } = options;
      const chosen = coreset && (await chooseCoresets(model.decoder, result.groups, { ...coreset, seed }));
      if (coreset && chosen) console.log(coresetLine(coreset.k, chosen, result));
      if (options.out !== undefined) keep(options.out, basename(name), result, chosen);
    }
  } finally {
    await engine.dispose();
    await rewards.close();
    model.decoder.dispose();
  }
}

/** A benchmark is the path of a data file or folder, or a name inside `--data`: NAME, or NAME with its `test` file. */
function benchmarkPath(name: string, data: string | undefined): string {
  const places = data === undefined ? [name] : [name, join(data, name)];
  for (const place of places) {
    if (!existsSync(place)) continue;
    if (!statSync(place).isDirectory()) return place;
    const test = ["test.jsonl", "test.parquet", "test.csv"]
      .map((file) => join(place, file))
      .find((file) => existsSync(file));
    return test ?? place;
  }
  throw new GrpoError(
    "GRPO_DATA",
    `no benchmark ${name}: looked at ${places.map((place) => resolve(place)).join(", ")}`,
    {
      exitCode: ExitCode.data,
      fix: "give the path of a data file, or --data with the folder that holds benchmarks by name",
    },
  );
}

/** `--reward` as the section of a configuration: a kind that needs no options but the answer, or a module's path. */
function rewardSpecs({ reward, answer }: EvaluateOptions) {
  const path = /\.[cm]?[jt]s$/.test(reward) ? resolve(reward) : null;
  const spec =
    path === null ? { name: "accuracy", kind: reward, answer } : { name: "accuracy", kind: "module", module: path };
  const parsed = rewardsSchema.safeParse([spec]);
  if (parsed.success) return parsed.data;
  throw new GrpoError("GRPO_USAGE", `--reward ${reward}: ${parsed.error.issues[0]?.message}`, {
    exitCode: ExitCode.usage,
    fix: "use a reward kind that compares with an answer (exact, math), or the path of a reward module",
  });
}

function report(name: string, { metrics, accuracy, pass, groups }: EvaluationResult, samples: number): string[] {
  const lines = [`${name}: ${describe(metrics, accuracy)}, ${groups.length} prompts x ${samples}`];
  const percent = (x: number) => `${(100 * x).toFixed(1)} %`;
  for (const [k, { value, low, high }] of pass) {
    const interval = Number.isNaN(low) ? "" : ` (${percent(low)} to ${percent(high)})`;
    if (k > 1) lines.push(`  pass@${k} ${percent(value)}${interval}`);
  }
  lines.push(
    `  length ${metrics["length/mean"]!.toFixed(1)} tokens, ${percent(metrics["length/truncated"]!)} cut at the limit`,
  );
  return lines;
}

function coresetLine(k: number, chosen: readonly number[][], { right }: EvaluationResult): string {
  if (right === null) return `  ${k} unlike completions of each prompt chosen; no reward tells right from wrong`;
  const percent = (x: number) => `${(100 * x).toFixed(1)} %`;
  const { value, low, high } = coresetAccuracy(chosen, right);
  const interval = Number.isNaN(low) ? "" : ` (${percent(low)} to ${percent(high)})`;
  const random = meanOverPrompts(right.map((row) => passAtK(row.length, row.filter(Boolean).length, k))).value;
  return `  coreset@${k} ${percent(value)}${interval}; ${k} at random ${percent(random)}`;
}

/** Writes NAME.json (scores) and NAME.jsonl (every completion, with its place among the chosen where some were). */
function keep(folder: string, name: string, { metrics, groups }: EvaluationResult, chosen?: number[][]): void {
  const rows = groups.flatMap(({ task, episodes }, g) =>
    episodes.map((episode, sample) => ({
      prompt: task.text,
      sample,
      completion: episode.text,
      finish: episode.finish,
      reward: episode.rewards.total,
      record: task.record,
      ...(chosen && { chosen: chosen[g]!.includes(sample) ? 1 + chosen[g]!.indexOf(sample) : null }),
    })),
  );
  onDisk(folder, () => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(metrics, null, 2)}\n`);
    writeFileSync(join(folder, `${name}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  });
}
