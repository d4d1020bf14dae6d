import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readMetrics } from "../../src/report/metrics.js";
import { readRollouts } from "../../src/report/rollouts.js";
import { latestCheckpoint } from "../../src/report/run-folder.js";
import { runProgram } from "../peer.js";
import type { FinishedRun, Sections } from "./effect.js";
import type { PlayTask } from "./play-task.js";
import { writeWordEncoder } from "./word-encoder.js";

const program = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

/** A place where runs of `grpo train` share their data files and warm-started policies. */
export class Workshop {
  readonly #warm = new Map<string, Promise<string>>();
  #runs = 0;

  constructor(private readonly folder: string) {}

  /** The policy that a task starts from: made once, a folder in Hugging Face layout. */
  warmStart(task: PlayTask): Promise<string> {
    const known = this.#warm.get(task.name);
    if (known !== undefined) return known;
    const made = this.#makeWarmStart(task);
    this.#warm.set(task.name, made);
    return made;
  }

  /** Trains on a task from its warm start. Sections of later layers win. */
  async train(task: PlayTask, seed: number, ...layers: Sections[]): Promise<FinishedRun> {
    const folder = join(this.folder, task.name);
    const path = await this.warmStart(task);
    const config = merge(
      {
        run: { seed },
        model: { path },
        data: { train: { path: join(folder, "train.jsonl") } },
        ...(task.test && { eval: { data: { path: join(folder, "test.jsonl") }, samples: 8 } }),
        rollout: { max_completion_tokens: task.maxTokens },
        rewards: task.rewards,
        checkpoint: { every: 0 },
      },
      ...layers,
    );
    const run = await this.#run(folder, config);
    const rollouts = join(run, "rollouts");
    return {
      metrics: readMetrics(join(run, "metrics.jsonl")),
      last: (steps) =>
        readdirSync(rollouts)
          .filter((name) => name.endsWith(".arrow"))
          .sort()
          .slice(-steps)
          .flatMap((name) => readRollouts(join(rollouts, name))),
    };
  }

  async #makeWarmStart({ name, alphabet, warm, train, test, encoder, modules = {} }: PlayTask): Promise<string> {
    const folder = join(this.folder, name);
    mkdirSync(folder, { recursive: true });
    for (const [file, rows] of Object.entries({ warm: warm.rows, train, test: test ?? [] })) {
      writeFileSync(join(folder, `${file}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    }
    for (const [file, text] of Object.entries(modules)) writeFileSync(join(folder, file), text);
    if (encoder !== undefined) writeWordEncoder(join(folder, "encoder"), encoder, { marks: false });
    const run = await this.#run(folder, {
      run: { seed: 17 },
      model: {
        architecture: {
          model_type: "llama",
          hidden_size: 64,
          intermediate_size: 160,
          num_hidden_layers: 2,
          num_attention_heads: 4,
          max_position_embeddings: 512,
        },
        tokenizer: { alphabet },
      },
      stages: [
        {
          kind: "sft",
          data: { train: { path: join(folder, "warm.jsonl") }, completion: "{completion}" },
          train: { steps: warm.steps, prompts_per_step: 64 },
          optimizer: { learning_rate: 3e-3 },
        },
      ],
    });
    return latestCheckpoint(run)!.path;
  }

  /** Runs `grpo train` and returns the run folder. A YAML file may be JSON. */
  async #run(folder: string, config: Sections): Promise<string> {
    const name = `run-${this.#runs++}`;
    const file = join(folder, `${name}.yaml`);
    writeFileSync(file, JSON.stringify(merge(config, { run: { name, out_dir: folder } }), null, 2));
    await runProgram(process.execPath, [program, "train", "--config", file]);
    return join(folder, name);
  }
}

/** Sections merged key by key, as configurations are; lists, values and parts of another kind replace what was there. */
export function merge(...layers: readonly Sections[]): Sections {
  const merged: Record<string, unknown> = {};
  for (const layer of layers) {
    for (const [key, value] of Object.entries(layer)) {
      const before = merged[key];
      const joined = isSections(before) && isSections(value) && (value.kind ?? before.kind) === before.kind;
      merged[key] = joined ? merge(before, value) : value;
    }
  }
  return merged;
}

function isSections(value: unknown): value is Sections {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
