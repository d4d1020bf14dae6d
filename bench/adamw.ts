import { parseArgs } from "node:util";
import { AdamW } from "../src/engine/adamw.js";
import { gradNorm } from "../src/engine/grad-norm.js";
import { Parameter } from "../src/engine/parameter.js";
import { type FloatType, Tensor } from "../src/engine/tensor.js";
import { loadAddon } from "../src/native/load.js";
import { best, median, table, timed } from "./timing.js";

const COPY_BYTES = 128 << 20;

/** Bytes that one step moves per weight: the gradient twice (norm, then step), weight with low bits and moments in and out. */
function bytesPerWeight(moments: "f32" | "int8"): number {
  return 2 * 4 + 2 * 4 + (moments === "f32" ? 4 * 4 : 2 * 2);
}

/**
 * `npm run bench -- adamw`: one step on a parameter of 4864 x 896 x `--layers`, beside the bandwidth of copying memory (read
 * and written bytes both counted), alternating in the same process.
 */
export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      repeats: { type: "string", default: "15" },
      layers: { type: "string", default: "4" },
      json: { type: "boolean" },
    },
  });
  const addon = loadAddon();
  const from = Tensor.zeros("u8", [COPY_BYTES]);
  const to = Tensor.zeros("u8", [COPY_BYTES]);
  const results: Record<string, number | string>[] = [];
  for (const dtype of ["f32", "bf16"] as FloatType[]) {
    for (const moments of ["f32", "int8"] as const) {
      const parameter = new Parameter("w", "panels", [4864 * Number(values.layers), 896], dtype, []);
      parameter
        .gradTensor()
        .write(new Float32Array(parameter.grad!.size).map((_, i) => ((i * 7919) % 1000) / 1000 - 0.5));
      const adamw = new AdamW([parameter], { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, moments });
      const [step, norm, copy]: number[][] = [[], [], []];
      for (let i = 0; i < Number(values.repeats); i++) {
        copy!.push((2 * COPY_BYTES) / timed(() => addon.ceilingCopy(from.handle, to.handle)) / 1e6);
        norm!.push((4 * parameter.count) / timed(() => gradNorm([parameter])) / 1e6);
        const stepMs = timed(() => adamw.step({ learningRate: 1e-4, maxGradNorm: 1 }));
        step!.push((bytesPerWeight(moments) * parameter.count) / stepMs / 1e6);
      }
      const ceiling = -best(copy!.map((v) => -v));
      const top = -best(step!.map((v) => -v));
      results.push({
        dtype,
        moments,
        step_gbs: top,
        step_gbs_median: median(step!),
        copy_gbs: ceiling,
        ratio: top / ceiling,
        ratio_median: median(step!) / median(copy!),
        norm_gbs: -best(norm!.map((v) => -v)),
      });
      adamw.dispose();
      parameter.dispose();
    }
  }
  from.dispose();
  to.dispose();
  if (values.json) {
    for (const result of results) console.log(JSON.stringify(result));
    return;
  }
  const { isa, threads } = addon.engineInfo();
  console.log(`${isa}, ${threads} threads; GB/s, best (median)`);
  const cell = (r: Record<string, number | string>, key: string) => Number(r[key]).toFixed(1);
  console.log(
    table(
      ["weights", "moments", "step", "(median)", "copy", "% of copy", "norm"],
      results.map((r) => [
        String(r.dtype),
        String(r.moments),
        cell(r, "step_gbs"),
        cell(r, "step_gbs_median"),
        cell(r, "copy_gbs"),
        (100 * Number(r.ratio)).toFixed(0),
        cell(r, "norm_gbs"),
      ]),
    ),
  );
}
