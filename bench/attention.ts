import { parseArgs } from "node:util";
import { type AttentionPlan, BLOCK_KEYS } from "../src/engine/attention-plan.js";
import { Graph } from "../src/engine/graph.js";
import { createKvStore, disposeKvStore, type KvStore, newKvStore } from "../src/engine/kv-store.js";
import { treeAttention } from "../src/engine/ops/tree-attention.js";
import { type FloatType, Tensor } from "../src/engine/tensor.js";
import { loadAddon } from "../src/native/load.js";
import { Ceiling } from "./ceiling.js";
import { best, median, table, timed } from "./timing.js";

/** Attention of Qwen2.5-0.5B. */
const shape = { heads: 14, kvHeads: 2, headDim: 64, scale: 0.125 };
const width = (shape.heads + 2 * shape.kvHeads) * shape.headDim;

interface Case {
  plan: AttentionPlan;
  /** (query, key) pairs that are not masked. */
  pairs: number;
  blocks: number;
}

/** `rows` tokens after `prefix` cached ones, for each of `paths` paths that share the prefix. */
function layout(prefix: number, paths: number, rows: number): Case {
  if (prefix % BLOCK_KEYS !== 0) throw new RangeError("the prefix must be whole blocks");
  const shared = prefix / BLOCK_KEYS;
  const own = Math.ceil(rows / BLOCK_KEYS);
  const all = paths * rows;
  const position = Int32Array.from({ length: all }, (_, i) => prefix + (i % rows));
  return {
    plan: {
      rows: all,
      position,
      table: Int32Array.from({ length: all }, (_, i) => Math.floor(i / rows)),
      tableStart: Int32Array.from({ length: paths + 1 }, (_, p) => p * (shared + own)),
      blocks: Int32Array.from({ length: paths * (shared + own) }, (_, i) => {
        const b = i % (shared + own);
        return b < shared ? b : shared + Math.floor(i / (shared + own)) * own + (b - shared);
      }),
      writeBlock: position.map((p, i) => shared + Math.floor(i / rows) * own + Math.floor(p / BLOCK_KEYS) - shared),
      copies: new Int32Array(0),
    },
    pairs: position.reduce((sum, p) => sum + p + 1, 0),
    blocks: shared + paths * own,
  };
}

function forward(c: Case, qkv: Tensor, kv: KvStore): number {
  const g = new Graph({ grad: false });
  const ms = timed(() => treeAttention(g, qkv, { plan: c.plan, kv, ...shape }));
  g.dispose();
  return ms;
}

async function backward(c: Case, qkv: Tensor, dtype: FloatType): Promise<number> {
  const g = new Graph({ grad: true });
  const kv = newKvStore(g, c.blocks, shape.kvHeads, shape.headDim, dtype);
  const y = treeAttention(g, qkv, { plan: c.plan, kv, ...shape });
  g.seed(y, numbers(y.size, dtype, y.shape));
  const start = performance.now();
  await g.backward();
  const ms = performance.now() - start;
  g.takeGradient(qkv)?.dispose();
  g.dispose();
  return ms;
}

function numbers(n: number, dtype: FloatType, dims: readonly number[]): Tensor {
  return Tensor.from(
    Float32Array.from({ length: n }, (_, i) => Math.sin(i * 0.7 + (i % 97))),
    dims,
    dtype,
  );
}

/** `npm run bench -- attention [--tokens N] [--rounds N]`: useful GFLOP/s beside the register-only peak, measured alternately. */
export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { rounds: { type: "string", default: "9" }, tokens: { type: "string", default: "4096" } },
  });
  const rounds = Number(values.rounds);
  const tokens = Number(values.tokens);
  const { isa, threads } = loadAddon().engineInfo();
  console.log(`tree attention, 14 heads on 2 KV heads of 64, ${isa}, ${threads} threads, best and median of ${rounds}`);
  const ceiling = new Ceiling();
  const rows: string[][] = [];
  const report = async (
    name: string,
    dtype: FloatType,
    c: Case,
    products: number,
    work: () => number | Promise<number>,
  ) => {
    const times: number[] = [];
    await work();
    ceiling.take();
    for (let i = 0; i < rounds; i++) {
      ceiling.samplePeak(dtype === "bf16");
      times.push(await work());
    }
    const peak = ceiling.take().gflops;
    const flops = c.pairs * shape.heads * shape.headDim * 2 * products;
    const rate = flops / best(times) / 1e6;
    const middle = flops / median(times) / 1e6;
    const percent = (x: number) => `${((100 * x) / peak).toFixed(0)}%`;
    rows.push([name, dtype, best(times).toFixed(2), rate.toFixed(0), percent(rate), percent(middle), peak.toFixed(0)]);
    return best(times) / c.pairs;
  };
  const notes: string[] = [];
  for (const dtype of ["f32", "bf16"] as const) {
    const prompt = layout(0, 1, tokens);
    const suffixes = layout(tokens, 16, 128);
    const step = layout(tokens, 16, 1);
    const kv = createKvStore(suffixes.blocks, shape.kvHeads, shape.headDim, dtype);
    const inputs = [prompt, suffixes, step].map((c) => numbers(c.plan.rows * width, dtype, [c.plan.rows, width]));
    const cost = await report(`prefill ${tokens}`, dtype, prompt, 2, () => forward(prompt, inputs[0]!, kv));
    const shared = await report(`16 x 128 on ${tokens}`, dtype, suffixes, 2, () => forward(suffixes, inputs[1]!, kv));
    await report(`decode 16 on ${tokens}`, dtype, step, 2, () => forward(step, inputs[2]!, kv));
    await report(`backward ${tokens}`, dtype, prompt, 5, () => backward(prompt, inputs[0]!, dtype));
    notes.push(
      `${dtype}: 16 x 128 on the prefix takes ${(shared / cost).toFixed(2)} x its share of (query, key) pairs`,
    );
    for (const x of inputs) x.dispose();
    disposeKvStore(kv);
  }
  ceiling.dispose();
  console.log(table(["work", "type", "ms", "GFLOP/s", "best/peak", "median/peak", "peak"], rows));
  for (const note of notes) console.log(note);
}
