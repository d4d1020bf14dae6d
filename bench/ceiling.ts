import { Tensor } from "../src/engine/tensor.js";
import { loadAddon } from "../src/native/load.js";
import { best, median, table, timed } from "./timing.js";

/** Larger than any cache, so that reading it is reading memory. */
const READ_BYTES = 128 << 20;

/**
 * What the machine can do, measured beside a program's own samples: clocks and neighbours change from minute to minute, so
 * that only a ratio within the same minute means something.
 */
export class Ceiling {
  readonly #addon = loadAddon();
  readonly #buffer = Tensor.zeros("u8", [READ_BYTES]);
  #gflops: number[] = [];
  #gbs: number[] = [];

  /** One sample of the register-only multiply-add peak (about a millisecond). */
  samplePeak(bf16: boolean): void {
    let flops = 0;
    const ms = timed(() => {
      flops = this.#addon.ceilingMultiplyAdd(4, bf16);
    });
    this.#gflops.push(flops / ms / 1e6);
  }

  /** One sample of the bandwidth of reading memory (a few milliseconds). */
  sampleRead(): void {
    const ms = timed(() => this.#addon.ceilingRead(this.#buffer.handle));
    this.#gbs.push(READ_BYTES / ms / 1e6);
  }

  /** Best peak (GFLOP/s) and bandwidth (GB/s) since the last call; a kind that was not sampled is 0. */
  take(): { gflops: number; gbs: number } {
    const taken = { gflops: Math.max(0, ...this.#gflops), gbs: Math.max(0, ...this.#gbs) };
    this.#gflops = [];
    this.#gbs = [];
    return taken;
  }

  dispose(): void {
    this.#buffer.dispose();
  }
}

/** `npm run bench -- ceiling`: the machine's limits, best and median of 15. */
export async function run(): Promise<void> {
  const addon = loadAddon();
  const { isa, threads } = addon.engineInfo();
  const from = Tensor.zeros("u8", [READ_BYTES]);
  const to = Tensor.zeros("u8", [READ_BYTES]);
  let flops = 0;
  const works: [string, string, () => number][] = [
    ["multiply-add f32", "GFLOP/s", () => flops / timed(() => (flops = addon.ceilingMultiplyAdd(4, false)))],
    ["multiply-add bf16", "GFLOP/s", () => flops / timed(() => (flops = addon.ceilingMultiplyAdd(4, true)))],
    ["read", "GB/s", () => READ_BYTES / timed(() => addon.ceilingRead(from.handle))],
    ["copy (read + write)", "GB/s", () => (2 * READ_BYTES) / timed(() => addon.ceilingCopy(from.handle, to.handle))],
  ];
  const rows = works.map(([name, unit, work]) => {
    work();
    const perMs = Array.from({ length: 15 }, () => 1 / work());
    return [name, (1 / best(perMs) / 1e6).toFixed(1), (1 / median(perMs) / 1e6).toFixed(1), unit];
  });
  console.log(`${isa}, ${threads} threads`);
  console.log(table(["", "best", "median", ""], rows));
  from.dispose();
  to.dispose();
}
