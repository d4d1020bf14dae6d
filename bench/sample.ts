import { parseArgs } from "node:util";
import { storedElements } from "../src/engine/parameter.js";
import { Tensor } from "../src/engine/tensor.js";
import { loadAddon } from "../src/native/load.js";
import { Ceiling } from "./ceiling.js";
import { best, median, table, timed } from "./timing.js";

/** Weights of the 24 layers of Qwen2.5-0.5B, which a decode step reads besides the head. */
const LAYER_WEIGHTS = 24 * (896 * (1152 + 896 + 9728) + 4864 * 896);

const restrictions: Record<string, [topK: number, topP: number, minP: number]> = {
  "": [0, 1, 0],
  "top-k 50": [50, 1, 0],
  "top-p 0.95": [0, 0.95, 0],
  "min-p 0.05": [0, 1, 0.05],
};

/**
 * `npm run bench -- sample`: what a draw costs beyond the head's product, as a share of a decode step of the 0.5B model (the
 * product, and the layers' weights read at the machine's bandwidth). `--spread` sets the deviation of the logits.
 */
export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      dtype: { type: "string", default: "f32,bf16" },
      rows: { type: "string", default: "1,8,16,64" },
      columns: { type: "string", default: "896" },
      vocab: { type: "string", default: "151936" },
      spread: { type: "string", default: "2" },
      samples: { type: "string", default: "9" },
    },
  });
  const lines: string[][] = [];
  for (const dtype of values.dtype.split(",") as ("f32" | "bf16")[]) {
    const cols = Number(values.columns);
    const vocab = Number(values.vocab);
    for (const rows of values.rows.split(",").map(Number)) {
      lines.push(...measure(dtype, rows, cols, vocab, Number(values.spread), Number(values.samples)));
    }
  }
  const { isa, threads } = loadAddon().engineInfo();
  console.log(
    `${isa}, ${threads} threads, C = ${values.columns}, V = ${values.vocab}, logits +- ${values.spread}; best`,
  );
  console.log(
    table(["type", "rows", "restriction", "product ms", "sample ms", "(median)", "GB/s", "of a decode step"], lines),
  );
}

function measure(
  dtype: "f32" | "bf16",
  rows: number,
  cols: number,
  vocab: number,
  spread: number,
  samples: number,
): string[][] {
  const addon = loadAddon();
  const ceiling = new Ceiling();
  const w = uniform(dtype, storedElements("panels", [vocab, cols], dtype === "bf16"));
  // Weights are uniform in +-1: a hidden state of this size gives logits of the wanted deviation.
  const size = spread / Math.sqrt(cols / 3);
  const h = Tensor.from(
    Float32Array.from({ length: rows * cols }, (_, i) => (Math.imul(i + 1, 0x9e3779b1) & 0x40000000 ? size : -size)),
    [rows, cols],
    dtype,
  );
  const product = new Tensor("f32", [rows, vocab]);
  const counters = Uint32Array.from({ length: 4 * rows }, (_, i) => i);
  const [ids, logprob, entropy] = [new Int32Array(rows), new Float32Array(rows), new Float32Array(rows)];
  const head = [rows, cols, vocab, vocab, h.handle, w.handle, 1] as const;
  const times = new Map<string, number[]>(["product", ...Object.keys(restrictions)].map((name) => [name, []]));
  for (let s = 0; s <= samples; s++) {
    ceiling.sampleRead();
    for (const [name, taken] of times) {
      const limits = restrictions[name];
      const ms = timed(() => {
        if (limits === undefined) {
          addon.linearForward(rows, vocab, cols, h.handle, w.handle, null, null, product.handle);
        } else addon.sampleTokens(...head, ...limits, 1, 2, counters, false, ids, logprob, entropy);
      });
      if (s > 0) taken.push(ms);
    }
  }
  for (const t of [w, h, product]) t.dispose();
  addon.trimMemory();
  const { gbs } = ceiling.take();
  ceiling.dispose();
  const width = dtype === "bf16" ? 2 : 4;
  const plain = best(times.get("product")!);
  const step = plain + (LAYER_WEIGHTS * width) / gbs / 1e6;
  return Object.keys(restrictions).map((name) => {
    const t = times.get(name)!;
    const extra = Math.max(0, best(t) - plain);
    return [
      ...[dtype, `${rows}`, name, plain.toFixed(2), best(t).toFixed(2), `(${median(t).toFixed(2)})`],
      ...[((vocab * cols * width) / best(t) / 1e6).toFixed(1), `${((100 * extra) / step).toFixed(1)}%`],
    ];
  });
}

/** Numbers in [-1, 1) that do not repeat, so that no two ids have the same logits. */
function uniform(dtype: "f32" | "bf16", size: number): Tensor {
  const tensor = new Tensor(dtype, [size]);
  const block = new Float32Array(1 << 16);
  let state = 12345;
  for (let at = 0; at < size; at += block.length) {
    for (let i = 0; i < block.length; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      block[i] = state / 2 ** 31;
    }
    tensor.write(block.subarray(0, size - at), at);
  }
  return tensor;
}
