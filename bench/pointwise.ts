import { parseArgs } from "node:util";
import { Graph } from "../src/engine/graph.js";
import { gelu } from "../src/engine/ops/gelu.js";
import { layerNorm } from "../src/engine/ops/layer-norm.js";
import { rmsNorm } from "../src/engine/ops/rms-norm.js";
import { swiglu } from "../src/engine/ops/swiglu.js";
import { Parameter } from "../src/engine/parameter.js";
import { type FloatType, Tensor } from "../src/engine/tensor.js";
import { loadAddon } from "../src/native/load.js";
import { best, median, table, timed } from "./timing.js";

const COPY_BYTES = 128 << 20;

/** Values that no op has an easy time with: spread over [-4, 4). */
function spread(dtype: FloatType, rows: number, cols: number): Tensor {
  const values = Float32Array.from({ length: rows * cols }, (_, i) => ((i * 7919) % 8000) / 1000 - 4);
  return Tensor.from(values, [rows, cols], dtype);
}

/** The ops on `rows` rows of `cols` columns, each with how many numbers it reads and writes per number of its output. */
function works(dtype: FloatType, rows: number, cols: number): [string, number, (g: Graph) => Tensor][] {
  const [weight, bias] = [
    new Parameter("w", "vector", [cols], dtype, []),
    new Parameter("b", "vector", [cols], dtype, []),
  ];
  const [x, gateUp] = [spread(dtype, rows, cols), spread(dtype, rows, 2 * cols)];
  return [
    ["rmsNorm", 2, (g) => rmsNorm(g, x, weight, 1e-6)],
    ["layerNorm", 2, (g) => layerNorm(g, x, weight, bias, 1e-5)],
    ["swiglu", 3, (g) => swiglu(g, gateUp)],
    ["gelu", 2, (g) => gelu(g, x)],
    ["gelu tanh", 2, (g) => gelu(g, x, "tanh")],
  ];
}

/**
 * `npm run bench -- pointwise`: forward bandwidth of the row-wise ops on 2048 x 4864 beside that of copying memory,
 * alternating, and the time of one call on 1 x 16 (the cost of a call beyond its work, its tensors' making and freeing
 * included); best and median of `--repeats`.
 */
export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { repeats: { type: "string", default: "11" }, json: { type: "boolean" } },
  });
  const addon = loadAddon();
  const repeats = Number(values.repeats);
  const [from, to] = [Tensor.zeros("u8", [COPY_BYTES]), Tensor.zeros("u8", [COPY_BYTES])];
  const results: { dtype: string; op: string; gbs: number; gbs_median: number; copy_gbs: number; call_us: number }[] =
    [];
  for (const dtype of ["f32", "bf16"] as FloatType[]) {
    const [large, small] = [works(dtype, 2048, 4864), works(dtype, 1, 16)];
    for (const [i, [op, numbers, work]] of large.entries()) {
      const [copy, rate, call]: number[][] = [[], [], []];
      for (let r = 0; r < repeats; r++) {
        const g = new Graph({ grad: false });
        copy!.push((2 * COPY_BYTES) / timed(() => addon.ceilingCopy(from.handle, to.handle)) / 1e6);
        const bytes = numbers * 2048 * 4864 * (dtype === "f32" ? 4 : 2);
        rate!.push(bytes / timed(() => g.free(work(g))) / 1e6);
        const calls = 2000;
        const ms = timed(() => {
          for (let c = 0; c < calls; c++) g.free(small[i]![2](g));
        });
        call!.push((1e3 * ms) / calls);
        g.dispose();
      }
      results.push({
        dtype,
        op,
        gbs: Math.max(...rate!),
        gbs_median: median(rate!),
        copy_gbs: Math.max(...copy!),
        call_us: best(call!),
      });
    }
  }
  const thousand = Array.from({ length: repeats }, () =>
    timed(() => {
      for (let i = 0; i < 1000; i++) new Tensor("f32", [64]).dispose();
    }),
  );
  if (values.json) {
    for (const result of results) console.log(JSON.stringify(result));
    console.log(JSON.stringify({ tensors_1000_ms: best(thousand) }));
    return;
  }
  const { isa, threads } = addon.engineInfo();
  console.log(`${isa}, ${threads} threads; GB/s read and written, best (median)`);
  console.log(
    table(
      ["", "op", "GB/s", "(median)", "copy", "% of copy", "call on 1 x 16, us"],
      results.map((r) => [
        r.dtype,
        r.op,
        r.gbs.toFixed(1),
        r.gbs_median.toFixed(1),
        r.copy_gbs.toFixed(1),
        ((100 * r.gbs) / r.copy_gbs).toFixed(0),
        r.call_us.toFixed(2),
      ]),
    ),
  );
  console.log(`making and freeing 1000 tensors: ${best(thousand).toFixed(3)} ms`);
}
