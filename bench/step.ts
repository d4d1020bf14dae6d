import { parseArgs } from "node:util";
import { makeObjective } from "../src/algorithms/objective/registry.js";
import { emptyTally } from "../src/algorithms/tally.js";
import type { Row } from "../src/algorithms/types.js";
import { objectiveSchema } from "../src/config/schema/objective.js";
import { AdamW } from "../src/engine/adamw.js";
import { engineInfo } from "../src/engine/engine-info.js";
import { type ModelConfig, parseModelConfig } from "../src/model/config.js";
import { Decoder } from "../src/model/decoder.js";
import { keptProducts } from "../src/model/kept-products.js";
import { initialiseDecoder } from "../src/model/weights.js";
import { accumulateGradients } from "../src/pipeline/policy.js";
import { toRows } from "../src/pipeline/rows.js";
import { clearGradients } from "../src/pipeline/stage.js";
import { SamplingEngine } from "../src/rollout/sampling-engine.js";
import { parallelStrategy } from "../src/rollout/strategy.js";
import { Purpose } from "../src/rollout/stream-key.js";
import type { Tokenizer } from "../src/tokenizer/tokenizer.js";
import type { Task } from "../src/tree/episode.js";
import { floorSeconds, measureLimits } from "./floor.js";
import { Profiler } from "./profiler.js";
import { shapes } from "./shapes.js";
import { table } from "./timing.js";

const usage = `usage: npm run bench -- step --shape ${Object.keys(shapes).join("|")} [--prompt 256] [--completion 32] [--group 8] [--prompts 1]
  [--steps 4] [--dtype fp32|bf16] [--moments f32|int8] [--checkpointing] [--no-reuse] [--profile] [--json]`;

/** As `train.max_tokens_per_microbatch` by default. */
const maxTokens = 8192;

/** What `--json` prints. Seconds are medians of the steps after the first; `floor_s` is what no step can be faster than. */
export interface StepResult {
  shape: string;
  dtype: string;
  isa: string;
  threads: number;
  step_s: number;
  step_best_s: number;
  rollout_s: number;
  update_s: number;
  floor_s: number;
  peak_rss_mb: number;
  tokens_unique: number;
  tokens_logical: number;
}

/** One GRPO step on random weights and prompts: rollout, update, peak memory. Every completion has its full length. */
export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    allowNegative: true,
    options: {
      shape: { type: "string", default: "0.28m" },
      prompt: { type: "string", default: "256" },
      completion: { type: "string", default: "32" },
      group: { type: "string", default: "8" },
      prompts: { type: "string", default: "1" },
      steps: { type: "string", default: "4" },
      dtype: { type: "string", default: "fp32" },
      moments: { type: "string", default: "f32" },
      checkpointing: { type: "boolean", default: false },
      reuse: { type: "boolean", default: true },
      profile: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
  });
  const raw = shapes[values.shape];
  if (raw === undefined) throw new Error(usage);
  const [prompt, completion, group, prompts, steps] = (
    ["prompt", "completion", "group", "prompts", "steps"] as const
  ).map((key) => Number(values[key])) as [number, number, number, number, number];
  const config: ModelConfig = parseModelConfig(raw, values.shape);
  const decoder = new Decoder(config, values.dtype === "bf16" ? "bf16" : "f32", prompt + completion);
  initialiseDecoder(decoder, 17);
  const bench = new StepBench(decoder, {
    completion,
    group,
    moments: values.moments === "int8" ? "int8" : "f32",
    checkpoint: values.checkpointing,
    reuse: values.reuse && !values.checkpointing,
  });
  const times: { step: number; rollout: number; update: number }[] = [];
  let tokens = { unique: 0, logical: 0 };
  const profiler = values.profile ? new Profiler() : undefined;
  for (let step = 0; step < steps; step++) {
    const tasks = Array.from({ length: prompts }, (_, p) => randomTask(p + step * prompts, prompt, config.vocabSize));
    if (step === 1) await profiler?.start();
    const started = performance.now();
    profiler?.mark("rollout");
    const groups = await bench.rollOut(tasks, step);
    const middle = performance.now();
    profiler?.mark("update");
    const counts = await bench.update(groups);
    const end = performance.now();
    times.push({ step: (end - started) / 1000, rollout: (middle - started) / 1000, update: (end - middle) / 1000 });
    tokens = { unique: counts.uniqueTokens, logical: counts.logicalTokens };
    if (!values.json)
      console.log(
        `step ${step}: ${times.at(-1)!.step.toFixed(3)} s = rollout ${times.at(-1)!.rollout.toFixed(3)} + update ${times.at(-1)!.update.toFixed(3)}`,
      );
  }
  // The first step allocates and faults in memory; it is left out where there are others.
  const kept = times.length > 1 ? times.slice(1) : times;
  const best = (key: "step" | "rollout" | "update") => Math.min(...kept.map((t) => t[key]));
  const median = (key: "step" | "rollout" | "update") =>
    kept.map((t) => t[key]).sort((a, b) => a - b)[Math.floor(kept.length / 2)]!;
  const lines = await profiler?.stop();
  const peakRss = process.resourceUsage().maxRSS / 1024;
  const bytes = values.dtype === "bf16" ? 2 : 4;
  const floor = floorSeconds(
    config,
    {
      prompts,
      prompt,
      group,
      completion,
      weightBytes: bytes,
      // The weight and two moments are read and written, the float32 gradient is read; a bf16 master is 2 x 16 bits.
      optimizerBytes: values.moments === "int8" ? 16 : 28,
      reuse: bench.reused,
    },
    measureLimits(values.dtype === "bf16"),
  );
  const result: StepResult = {
    shape: values.shape,
    dtype: values.dtype,
    isa: engineInfo().isa,
    threads: engineInfo().threads,
    step_s: median("step"),
    step_best_s: best("step"),
    rollout_s: median("rollout"),
    update_s: median("update"),
    floor_s: floor.rollout + floor.update,
    peak_rss_mb: peakRss,
    tokens_unique: tokens.unique,
    tokens_logical: tokens.logical,
  };
  console.log(values.json ? JSON.stringify(result) : result);
  if (lines !== undefined) {
    const all = kept.reduce((sum, { step }) => sum + step, 0);
    const share = (seconds: number) => `${((100 * seconds) / all).toFixed(1)}%`;
    const rows = lines.map(([name, seconds]) => [name, (seconds / kept.length).toFixed(3), share(seconds)]);
    const named = lines.reduce((sum, [name, seconds]) => sum + (name.includes("JavaScript") ? 0 : seconds), 0);
    console.log(table(["", "s per step", "share"], rows));
    console.log(`${share(named)} of the time of ${kept.length} steps is in named operations`);
  }
}

class StepBench {
  readonly #engine: SamplingEngine;
  readonly #optimizer: AdamW;
  readonly #tokenizer: Tokenizer;
  /** Of the last update. */
  #tokens: number | null = null;

  constructor(
    private readonly decoder: Decoder,
    private readonly options: {
      completion: number;
      group: number;
      moments: "f32" | "int8";
      checkpoint: boolean;
      reuse: boolean;
    },
  ) {
    // Ids are text enough here, and no id ends a completion.
    this.#tokenizer = {
      size: decoder.config.vocabSize,
      endTokenIds: [] as number[],
      decode: () => "",
    } as unknown as Tokenizer;
    this.#engine = new SamplingEngine(decoder, this.#tokenizer, 17);
    this.#optimizer = new AdamW(decoder.parameters(), {
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-8,
      weightDecay: 0,
      moments: options.moments,
    });
  }

  /** Whether the last update took the rollout's products over. */
  get reused(): boolean {
    return this.#engine.kept !== null;
  }

  async rollOut(tasks: Task[], step: number) {
    const { completion, group } = this.options;
    this.#engine.kept = this.options.reuse ? keptProducts(this.decoder.config, this.#tokens, maxTokens) : null;
    return Promise.all(
      parallelStrategy().run(
        tasks.map((task, slot) => ({ task, slot })),
        {
          engine: this.#engine,
          sampling: { temperature: 1, topK: 0, topP: 1, minP: 0, stop: [], maxTokens: completion },
          groupSize: group,
          purpose: Purpose.rollout,
          step,
          version: 0,
          score: async ({ episodes }) => {
            for (const [i, episode] of episodes.entries()) episode.rewards = { components: {}, total: i % 2 };
          },
        },
      ),
    );
  }

  async update(groups: Awaited<ReturnType<StepBench["rollOut"]>>) {
    const { rows, episodes } = toRows(groups);
    for (const row of rows as Row[]) {
      row.old = row.rollout!;
      row.advantage = new Float64Array(row.length).fill(row.reward === 1 ? 1 : -1);
    }
    const objective = makeObjective(objectiveSchema.parse({}), { maxCompletionTokens: this.options.completion });
    const state = objective.prepare(rows, null);
    const tally = emptyTally();
    const pass: Parameters<typeof accumulateGradients>[3] = {
      temperature: 1,
      vocabSize: this.#tokenizer.size,
      maxTokens,
      sharedPrefix: true,
      checkpoint: this.options.checkpoint,
      entropy: false,
      kept: this.#engine.kept,
    };
    const counts = await accumulateGradients(
      this.decoder,
      episodes,
      rows.map(({ mask }) => mask),
      pass,
      (indices, said) =>
        objective.rows(
          indices,
          said.logp.map((logp) => ({ logp })),
          state,
          tally,
        ),
    );
    this.#engine.kept?.dispose();
    this.#optimizer.step({ learningRate: 1e-6, maxGradNorm: 1 });
    clearGradients(this.decoder.parameters());
    this.#tokens = counts.uniqueTokens;
    return counts;
  }
}

function randomTask(seed: number, length: number, vocabulary: number): Task {
  const prompt = Int32Array.from({ length }, (_, i) => (Math.imul(i + 1 + 1000 * seed, 2654435761) >>> 0) % vocabulary);
  return { index: seed, prompt, text: "", record: {} };
}
