import { parseArgs } from "node:util";
import { storedElements } from "../src/engine/parameter.js";
import { Tensor } from "../src/engine/tensor.js";
import { loadAddon } from "../src/native/load.js";
import { Ceiling } from "./ceiling.js";
import { filled } from "./filled.js";
import { best, median, table, timed } from "./timing.js";

/** Rows of the plain product that are computed at a time, so that its logits need not fit in memory. */
const GEMM_ROWS = 512;

/**
 * `npm run bench -- logprob`: the fused log-prob of the 0.5B model's head beside the plain product of the same size
 * (forward) and the machine's peak (backward, counting three products), and the memory it takes beyond its operands.
 */
export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      dtype: { type: "string", default: "f32,bf16" },
      rows: { type: "string", default: "8,64,512" },
      columns: { type: "string", default: "896" },
      vocab: { type: "string", default: "151936" },
      samples: { type: "string", default: "9" },
    },
  });
  const lines: string[][] = [];
  for (const dtype of values.dtype.split(",") as ("f32" | "bf16")[]) {
    for (const rows of values.rows.split(",").map(Number)) {
      lines.push(measure(dtype, rows, Number(values.columns), Number(values.vocab), Number(values.samples)));
    }
  }
  const { isa, threads } = loadAddon().engineInfo();
  console.log(`${isa}, ${threads} threads, C = ${values.columns}, V = ${values.vocab}; ms are the best, (median)`);
  const header = ["type", "rows", "product ms", "forward ms", "forward / product", "(median)", "backward ms"];
  header.push("GFLOP/s of 3 products", "peak", "of peak", "(median)", "extra MB forward", "backward");
  console.log(table(header, lines));
}

function measure(dtype: "f32" | "bf16", rows: number, cols: number, vocab: number, samples: number): string[] {
  const addon = loadAddon();
  const ceiling = new Ceiling();
  const w = filled(dtype, [storedElements("panels", [vocab, cols], dtype === "bf16")]);
  const h = filled(dtype, [rows, cols]);
  const product = new Tensor("f32", [Math.min(rows, GEMM_ROWS), vocab]);
  const [stats, logp, entropy] = [new Tensor("f32", [rows, 2]), new Tensor("f32", [rows]), new Tensor("f32", [rows])];
  const [dlogp, dentropy, dh] = [filled("f32", [rows]), filled("f32", [rows]), new Tensor(dtype, [rows, cols])];
  const dw = Tensor.zeros("f32", [storedElements("panels", [vocab, cols], false)]);
  const pairRows = Int32Array.from({ length: rows }, (_, r) => r);
  const ids = Int32Array.from({ length: rows }, (_, r) => (r * 7919) % vocab);
  const head = [rows, cols, vocab, vocab, h.handle, w.handle, 1, pairRows, ids] as const;
  const works = {
    product: () => {
      for (let at = 0; at < rows; at += GEMM_ROWS) {
        addon.linearForward(product.shape[0]!, vocab, cols, h.handle, w.handle, null, null, product.handle);
      }
    },
    forward: () => addon.linearLogprob(...head, stats.handle, logp.handle, entropy.handle),
    backward: () =>
      addon.linearLogprobBackward(
        ...head,
        stats.handle,
        entropy.handle,
        dlogp.handle,
        dentropy.handle,
        dh.handle,
        false,
        dw.handle,
        true,
        null,
        null,
        0,
        true,
      ),
  };
  const extra = { product: 0, forward: 0, backward: 0 };
  const times: Record<keyof typeof works, number[]> = { product: [], forward: [], backward: [] };
  const kinds = Object.keys(works) as (keyof typeof works)[];
  for (const kind of kinds) {
    addon.setThreads(addon.engineInfo().threads);
    addon.resetPeak();
    const before = addon.memoryStats().liveBytes;
    works[kind]();
    const { peakBytes, scratchBytes } = addon.memoryStats();
    extra[kind] = peakBytes - before + scratchBytes;
  }
  for (let s = 0; s < samples; s++) {
    for (const kind of kinds) {
      ceiling.samplePeak(dtype === "bf16");
      times[kind].push(timed(works[kind]));
    }
  }
  for (const t of [w, h, product, stats, logp, entropy, dlogp, dentropy, dh, dw]) t.dispose();
  addon.trimMemory();
  const { gflops: peak } = ceiling.take();
  ceiling.dispose();
  const gflops = (ms: number) => (6 * rows * cols * vocab) / ms / 1e6;
  const { product: p, forward: f, backward: b } = times;
  return [
    ...[dtype, `${rows}`, milliseconds(p), milliseconds(f)],
    ...[(best(f) / best(p)).toFixed(3), `(${(median(f) / median(p)).toFixed(3)})`, milliseconds(b)],
    ...[gflops(best(b)).toFixed(0), peak.toFixed(0), percent(gflops(best(b)) / peak)],
    ...[`(${percent(gflops(median(b)) / peak)})`, (extra.forward / 1e6).toFixed(2), (extra.backward / 1e6).toFixed(2)],
  ];
}

const milliseconds = (times: number[]) => `${best(times).toPrecision(4)} (${median(times).toPrecision(4)})`;
const percent = (ratio: number) => `${(100 * ratio).toFixed(0)}%`;
