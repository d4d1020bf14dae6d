import { parseArgs } from "node:util";
import { memoryStats, resetMemoryPeak } from "../src/engine/engine-info.js";
import { streamGroup } from "../src/model/activation-memory.js";
import { type ModelConfig, parseModelConfig } from "../src/model/config.js";
import { type Checkpointing, Decoder } from "../src/model/decoder.js";
import { initialiseDecoder } from "../src/model/weights.js";
import { accumulateGradients } from "../src/pipeline/policy.js";
import { promptSegment } from "../src/rollout/strategy.js";
import type { Episode } from "../src/tree/episode.js";
import { shapes } from "./shapes.js";

const usage = `usage: npm run bench -- long-context [--shape ${Object.keys(shapes).join("|")}] [--budget_mb 256] [--chunk 512]
  [--dtype fp32|bf16] [--json]`;

const MB = 2 ** 20;

/**
 * How long a sequence can be trained within a memory budget (activations and their gradients; weights, their gradients and
 * moments do not depend on it), for each way of keeping activations. Each length is run and its peak measured; the times are
 * those of the shortest, best of 3.
 */
export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      shape: { type: "string", default: "19m" },
      budget_mb: { type: "string", default: "256" },
      chunk: { type: "string", default: "512" },
      dtype: { type: "string", default: "fp32" },
      json: { type: "boolean", default: false },
    },
  });
  const raw = shapes[values.shape];
  if (raw === undefined) throw new Error(usage);
  const config = parseModelConfig({ ...raw, max_position_embeddings: 2 ** 20 }, values.shape);
  const budget = Number(values.budget_mb) * MB;
  const modes: [string, Checkpointing][] = [
    ["none", false],
    ["layer", true],
    ["stream", { chunk: Number(values.chunk) }],
    ["stream, grouped", { chunk: Number(values.chunk), group: streamGroup(config) }],
  ];
  const passOf = (checkpoint: Checkpointing) => (length: number) =>
    trainOnce(config, values.dtype === "bf16" ? "bf16" : "f32", length, checkpoint);
  const results = [];
  for (const [checkpointing, checkpoint] of modes) {
    const { length: tokens, bytes } = await longest(passOf(checkpoint), budget, 2 * Number(values.chunk));
    if (!values.json) console.log(`${checkpointing}: ${tokens} tokens in ${(bytes / MB).toFixed(1)} MB`);
    results.push({ checkpointing, tokens, peak_mb: bytes / MB, seconds_at_shortest: Number.POSITIVE_INFINITY });
  }
  for (let repeat = 0; repeat < 3; repeat++) {
    for (const [i, [, checkpoint]] of modes.entries()) {
      const { seconds } = await passOf(checkpoint)(results[0]!.tokens);
      results[i]!.seconds_at_shortest = Math.min(results[i]!.seconds_at_shortest, seconds);
    }
  }
  const tokens = results.map((r) => r.tokens) as [number, number, number];
  const report = {
    shape: values.shape,
    dtype: values.dtype,
    budget_mb: budget / MB,
    results,
    stream_over_none: tokens[2] / tokens[0],
    stream_over_layer: tokens[2] / tokens[1],
  };
  if (values.json) console.log(JSON.stringify(report));
  else {
    console.table(results);
    console.log(
      `stream / none ${report.stream_over_none.toFixed(2)}, stream / layer ${report.stream_over_layer.toFixed(2)}`,
    );
  }
}

/** The longest sequence whose pass stays within the budget: memory grows in a line with it, which two passes show. */
async function longest(pass: (length: number) => Promise<{ bytes: number }>, budget: number, from: number) {
  const [near, far] = [(await pass(from)).bytes, (await pass(2 * from)).bytes];
  let length = Math.floor(2 * from + ((budget - far) * from) / (far - near));
  let { bytes } = await pass(length);
  while (bytes > budget) {
    length = Math.floor(length * 0.98);
    ({ bytes } = await pass(length));
  }
  return { length, bytes };
}

/** Peak of native memory above weights and gradients in one forward and backward over a sequence whose every token is trained. */
async function trainOnce(config: ModelConfig, dtype: "f32" | "bf16", length: number, checkpoint: Checkpointing) {
  const decoder = new Decoder(config, dtype, length);
  initialiseDecoder(decoder, 17);
  for (const parameter of decoder.parameters()) parameter.gradTensor();
  const before = memoryStats().liveBytes;
  resetMemoryPeak();
  const started = performance.now();
  const episode = sequence(length, config.vocabSize);
  const options = {
    temperature: 1,
    vocabSize: config.vocabSize,
    maxTokens: length,
    sharedPrefix: true,
    checkpoint,
    entropy: false,
  };
  await accumulateGradients(decoder, [episode], [episode.loss], options, () => [
    { dlogp: new Float64Array(length - 1).fill(-1 / length) },
  ]);
  const seconds = (performance.now() - started) / 1000;
  const bytes = memoryStats().peakBytes - before;
  decoder.dispose();
  return { bytes, seconds };
}

function sequence(length: number, vocabulary: number): Episode {
  const prompt = Int32Array.from({ length }, (_, i) => (Math.imul(i + 1, 2654435761) >>> 0) % vocabulary);
  return {
    leaf: promptSegment({ prompt }),
    promptLength: 1,
    loss: new Uint8Array(length - 1).fill(1),
    spans: {},
    steps: [],
    trajectory: 0,
    role: "train",
    weight: 1,
    behaviour: "recompute",
    finish: "stop",
    text: "",
    rewards: { components: {}, total: 0 },
    trace: {},
  };
}
