import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { engineInfo } from "../src/engine/engine-info.js";
import type { Graph } from "../src/engine/graph.js";
import type { Tensor } from "../src/engine/tensor.js";
import { parseModelConfig } from "../src/model/config.js";
import { Decoder, type ForwardInput } from "../src/model/decoder.js";
import { initialiseDecoder } from "../src/model/weights.js";
import { SamplingEngine } from "../src/rollout/sampling-engine.js";
import { promptSegment } from "../src/rollout/strategy.js";
import { Purpose } from "../src/rollout/stream-key.js";
import type { Tokenizer } from "../src/tokenizer/tokenizer.js";
import { Ceiling } from "./ceiling.js";
import { writeDecoder } from "./gguf.js";
import { LlamaPeer } from "./llama.js";
import { shapes } from "./shapes.js";
import { median, table } from "./timing.js";

const usage = `usage: npm run bench -- decode --llama DIR [--shape ${Object.keys(shapes).join("|")}] [--prompt 256] [--completion 64]
  [--runs 5] [--json]
DIR is a folder in which \`npm install node-llama-cpp\` was run.`;

/** Sequences that decode together: one, and a group of one prompt. */
const groups = [1, 8];

/**
 * Decoding with this toolkit and with llama.cpp in turn, in one process: same random bf16 weights, same prompt, same number of
 * threads, temperature 1 over the whole vocabulary. The prompt's own pass is not in the times.
 */
export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      llama: { type: "string" },
      shape: { type: "string", default: "qwen2.5-0.5b" },
      prompt: { type: "string", default: "256" },
      completion: { type: "string", default: "64" },
      runs: { type: "string", default: "5" },
      json: { type: "boolean", default: false },
    },
  });
  const raw = shapes[values.shape];
  if (values.llama === undefined || raw === undefined) throw new Error(usage);
  const [length, completion, runs] = [values.prompt, values.completion, values.runs].map(Number) as [
    number,
    number,
    number,
  ];
  const { isa, threads } = engineInfo();
  const config = parseModelConfig(raw, values.shape);
  const decoder = new ClockedDecoder(config, "bf16", length + completion);
  initialiseDecoder(decoder, 17);
  const prompt = Int32Array.from({ length }, (_, i) => (Math.imul(i + 1, 2654435761) >>> 0) % config.vocabSize);
  const peer = await loadPeer(values.llama, decoder, threads);
  const ceiling = new Ceiling();
  const results = [];
  for (const group of groups) {
    const theirs = await peer.decoder(prompt, group, completion);
    const ours: number[] = [];
    const llama: number[] = [];
    const tokens = group * (completion - 1);
    // The first run of each touches memory for the first time and is left out.
    for (let n = 0; n <= runs; n++) {
      for (let sample = 0; sample < 5; sample++) ceiling.sampleRead();
      const seconds = [await decodeOnce(decoder, prompt, group, completion, n), (await theirs.run(1)).seconds];
      if (n === 0) continue;
      ours.push(tokens / seconds[0]!);
      llama.push(tokens / seconds[1]!);
    }
    const { gbs } = ceiling.take();
    const rate = (of: readonly number[]) => ({ best: Math.max(...of), median: median(of) });
    const read = ((stepBytes(decoder) / group) * Math.max(...ours)) / 1e9;
    results.push({ group, grpo: rate(ours), llama: rate(llama), gbs, read });
  }
  ceiling.dispose();
  const { systemInfo } = peer;
  if (values.json) {
    console.log(JSON.stringify({ shape: values.shape, isa, threads, prompt: length, completion, results }));
    return;
  }
  console.log(
    `${values.shape} bf16, prompt ${length}, completion ${completion}, ${isa}, ${threads} threads; tokens/s, best and median of ${runs}`,
  );
  console.log(`llama.cpp: ${systemInfo}`);
  console.log(
    table(
      [
        "sequences",
        "grpo",
        "(median)",
        "llama.cpp",
        "(median)",
        "ratio",
        "(median)",
        "weights GB/s",
        "of read GB/s",
        "",
      ],
      results.map(({ group, grpo, llama, gbs, read }) => [
        `${group}`,
        ...[grpo.best.toFixed(1), `(${grpo.median.toFixed(1)})`, llama.best.toFixed(1), `(${llama.median.toFixed(1)})`],
        ...[(grpo.best / llama.best).toFixed(2), `(${(grpo.median / llama.median).toFixed(2)})`],
        ...[read.toFixed(1), gbs.toFixed(1), `${((100 * read) / gbs).toFixed(0)}%`],
      ]),
    ),
  );
}

/** The peer on the weights of `decoder`; their file is gone when this returns, its pages stay mapped. */
async function loadPeer(folder: string, decoder: Decoder, threads: number): Promise<LlamaPeer> {
  const scratch = mkdtempSync(join(tmpdir(), "grpo-decode-"));
  try {
    const file = join(scratch, "model.gguf");
    writeDecoder(file, decoder);
    return await LlamaPeer.load(folder, file, threads);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Keeps the time at which each pass began: the first is the prompt's, every other one a decode step. */
class ClockedDecoder extends Decoder {
  starts: number[] = [];

  override forward(g: Graph, input: ForwardInput): Promise<Tensor> {
    this.starts.push(performance.now());
    return super.forward(g, input);
  }
}

/** Seconds of the decode steps of one group, each of `completion` - 1 tokens. */
async function decodeOnce(
  decoder: ClockedDecoder,
  prompt: Int32Array,
  group: number,
  completion: number,
  step: number,
): Promise<number> {
  // Ids are text enough here, and no id ends a completion.
  const tokenizer = { size: decoder.config.vocabSize, endTokenIds: [] as number[], decode: () => "" };
  const engine = new SamplingEngine(decoder, tokenizer as unknown as Tokenizer, 17);
  const keys = Array.from({ length: group }, (_, sample) => ({
    purpose: Purpose.rollout,
    step,
    slot: 0,
    sample,
    turn: 0,
  }));
  const sampling = { temperature: 1, topK: 0, topP: 1, minP: 0, stop: [], maxTokens: completion };
  decoder.starts = [];
  await engine.sample(promptSegment({ prompt }), keys, sampling);
  const seconds = (performance.now() - decoder.starts[1]!) / 1000;
  await engine.dispose();
  return seconds;
}

/** Bytes of weights one decode step reads; of an embedding table that is no head, it reads next to nothing. */
function stepBytes(decoder: Decoder): number {
  return decoder
    .parameters()
    .filter((parameter) => parameter !== decoder.embed || parameter === decoder.head)
    .reduce((sum, { count }) => sum + 2 * count, 0);
}
