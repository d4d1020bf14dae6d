import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { storedElements } from "../src/engine/parameter.js";
import { loadAddon } from "../src/native/load.js";
import { Ceiling } from "./ceiling.js";
import { filled } from "./filled.js";
import { best, median, table, timed } from "./timing.js";

type Kind = "forward" | "dx" | "dw";
type Type = "f32" | "bf16";

/** The matrices of Qwen2.5-0.5B, (K, N). */
const shapes: Record<string, [number, number]> = {
  qkv: [896, 1152],
  o: [896, 896],
  gate_up: [896, 9728],
  down: [4864, 896],
  head: [896, 151936],
};

/** Weights up to this many rows are read from memory, not from a cache: copies of them are used in turn. */
const COLD_ROWS = 128;
const COLD_BYTES = 160 << 20;

interface Cell {
  isa: string;
  threads: number;
  dtype: Type;
  kind: Kind;
  shape: string;
  k: number;
  n: number;
  rows: number;
  /** Milliseconds. */
  best_ms: number;
  median_ms: number;
  gflops: number;
  peak_gflops: number;
  /** GB/s of the weights (of the gradient, read and written, for dw). */
  gbs: number;
  read_gbs: number;
  /** Time at the longer of weights / bandwidth and flops / peak, over the time taken. */
  roofline_best: number;
  roofline_median: number;
  torch_best_ms?: number;
  torch_median_ms?: number;
}

/** `npm run bench -- gemm`: matrix products of the 0.5B model beside the machine's peak and bandwidth. */
export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: "boolean", default: false },
      dtype: { type: "string", default: "f32,bf16" },
      kind: { type: "string", default: "forward,dx,dw" },
      shape: { type: "string", default: Object.keys(shapes).join() },
      rows: { type: "string", default: "1,2,4,8,16,32,64,128,512,2048" },
      samples: { type: "string", default: "9" },
      isa: { type: "string", default: "avx2" },
      python: { type: "string" },
    },
  });
  const torch = values.python === undefined ? undefined : new Torch(values.python, loadAddon().engineInfo().threads);
  const ceiling = new Ceiling();
  const cells: Cell[] = [];
  const print = (cell: Cell) => {
    cells.push(cell);
    if (values.json) console.log(JSON.stringify(cell));
  };
  for (const dtype of values.dtype.split(",") as Type[]) {
    for (const kind of values.kind.split(",") as Kind[]) {
      for (const shape of values.shape.split(",")) {
        const [k, n] = shapes[shape] ?? (shape.split("x").map(Number) as [number, number]);
        for (const rows of values.rows.split(",").map(Number)) {
          const cell = measure(ceiling, dtype, kind, shape, k, n, rows, Number(values.samples));
          if (torch !== undefined) Object.assign(cell, await torch.measure(cell, Number(values.samples)));
          print(cell);
        }
      }
    }
  }
  ceiling.dispose();
  torch?.close();
  if (!values.json) console.log(render(cells));
  // Another instruction set needs another process: the choice is made when the addon loads.
  if (process.env.GRPO_ISA === undefined && loadAddon().engineInfo().isa !== values.isa) {
    const main = fileURLToPath(new URL("./main.js", import.meta.url));
    const rest = ["--dtype", values.dtype, "--kind", values.kind, "--shape", "down", "--rows", "1,16,512"];
    if (values.json) rest.push("--json");
    spawnSync(process.execPath, [main, "gemm", ...rest], {
      stdio: "inherit",
      env: { ...process.env, GRPO_ISA: values.isa },
    });
  }
}

function measure(
  ceiling: Ceiling,
  dtype: Type,
  kind: Kind,
  shape: string,
  k: number,
  n: number,
  rows: number,
  samples: number,
): Cell {
  const addon = loadAddon();
  const weight = storedElements("panels", [n, k], kind !== "dw" && dtype === "bf16");
  const bytes = weight * (kind === "dw" ? 8 : dtype === "bf16" ? 2 : 4);
  const copies = rows <= COLD_ROWS ? Math.ceil(COLD_BYTES / bytes) : 1;
  const weights = Array.from({ length: copies }, () => filled(kind === "dw" ? "f32" : dtype, [weight]));
  const x = filled(dtype, [rows, k]);
  const y = filled(dtype, [rows, n]);
  let turn = 0;
  const call = () => {
    const w = weights[turn++ % copies]!.handle;
    if (kind === "forward") addon.linearForward(rows, n, k, x.handle, w, null, null, y.handle);
    else if (kind === "dx") addon.linearInputGradient(rows, n, k, y.handle, w, x.handle, false);
    else addon.linearWeightGradient(rows, n, k, x.handle, y.handle, w, true, null, null, 0, true);
  };
  call();
  const estimate = Math.min(timed(call), timed(call));
  const inner = Math.max(1, Math.min(1000, Math.round(2 / estimate)));
  const times: number[] = [];
  for (let s = 0; s < samples; s++) {
    ceiling.samplePeak(dtype === "bf16");
    ceiling.sampleRead();
    const ms = timed(() => {
      for (let i = 0; i < inner; i++) call();
    });
    times.push(ms / inner);
  }
  for (const t of [...weights, x, y]) t.dispose();
  addon.trimMemory();
  const { gflops: peak, gbs: bandwidth } = ceiling.take();
  const flops = 2 * rows * n * k;
  const bound = Math.max(bytes / bandwidth, flops / peak) / 1e6;
  const { isa, threads } = addon.engineInfo();
  return {
    isa,
    threads,
    dtype,
    kind,
    shape,
    k,
    n,
    rows,
    best_ms: best(times),
    median_ms: median(times),
    gflops: flops / best(times) / 1e6,
    peak_gflops: peak,
    gbs: bytes / best(times) / 1e6,
    read_gbs: bandwidth,
    roofline_best: bound / best(times),
    roofline_median: bound / median(times),
  };
}

const percent = (ratio: number) => `${(100 * ratio).toFixed(0)}%`;

function render(cells: Cell[]): string {
  const torch = cells.some((c) => c.torch_best_ms !== undefined);
  const header = ["isa", "type", "kind", "shape", "K", "N", "M", "best ms", "GFLOP/s", "of peak", "(best", "median)"];
  header.push("GB/s", "of read", "(best", "median)", "roofline", "median", ...(torch ? ["torch ms", "speed-up"] : []));
  const rows = cells.map((c) => {
    const median = c.best_ms / c.median_ms;
    return [
      ...[c.isa, c.dtype, c.kind, c.shape, `${c.k}`, `${c.n}`, `${c.rows}`, c.best_ms.toPrecision(3)],
      ...[c.gflops.toFixed(0), c.peak_gflops.toFixed(0), percent(c.gflops / c.peak_gflops)],
      ...[percent((c.gflops / c.peak_gflops) * median), c.gbs.toFixed(1), c.read_gbs.toFixed(1)],
      ...[percent(c.gbs / c.read_gbs), percent((c.gbs / c.read_gbs) * median)],
      ...[percent(c.roofline_best), percent(c.roofline_median)],
      ...(torch ? [c.torch_best_ms!.toPrecision(3), (c.torch_best_ms! / c.best_ms).toFixed(2)] : []),
    ];
  });
  return table(header, rows);
}

/** The same products by PyTorch, in a process that waits for its turn. */
class Torch {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(python: string, threads: number) {
    const script = fileURLToPath(new URL("../../bench/torch_gemm.py", import.meta.url));
    this.#child = spawn(python, [script, String(threads)], { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  async measure(cell: Cell, samples: number): Promise<{ torch_best_ms: number; torch_median_ms: number }> {
    const { dtype, kind, k, n, rows } = cell;
    this.#child.stdin!.write(`${JSON.stringify({ dtype, kind, k, n, rows, samples, cold: rows <= COLD_ROWS })}\n`);
    const line = await this.#lines.next();
    if (line.done) throw new Error("torch_gemm.py ended early");
    const times = JSON.parse(line.value) as number[];
    return { torch_best_ms: best(times), torch_median_ms: median(times) };
  }

  close(): void {
    this.#child.stdin!.end();
  }
}
