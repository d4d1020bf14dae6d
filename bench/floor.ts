import { Tensor } from "../src/engine/tensor.js";
import type { ModelConfig } from "../src/model/config.js";
import { loadAddon } from "../src/native/load.js";
import { Ceiling } from "./ceiling.js";
import { timed } from "./timing.js";

/** One step: prompts of equal length, groups of completions of equal length. */
export interface Work {
  prompts: number;
  prompt: number;
  group: number;
  completion: number;
  /** Bytes of a weight that a product reads. */
  weightBytes: number;
  /** Bytes that the optimizer reads and writes for one parameter. */
  optimizerBytes: number;
  /** Whether the update takes the layers' products over from the rollout. */
  reuse: boolean;
}

/** What the machine can do at best: GFLOP/s, GB/s read, GB/s read and written. */
export interface Limits {
  peak: number;
  read: number;
  copy: number;
}

/** The machine's limits now, best of 9. */
export function measureLimits(bf16: boolean): Limits {
  const ceiling = new Ceiling();
  const bytes = 128 << 20;
  const [from, to] = [Tensor.zeros("u8", [bytes]), Tensor.zeros("u8", [bytes])];
  let copy = 0;
  for (let i = 0; i < 9; i++) {
    ceiling.samplePeak(bf16);
    ceiling.sampleRead();
    const ms = timed(() => loadAddon().ceilingCopy(from.handle, to.handle));
    copy = Math.max(copy, (2 * bytes) / ms / 1e6);
  }
  const { gflops, gbs } = ceiling.take();
  for (const each of [ceiling, from, to]) each.dispose();
  return { peak: gflops, read: gbs, copy };
}

/**
 * Seconds that no step can be faster than: every token once, products of matrices and attention at the peak (the backward pass is
 * two more products for each, three more for attention; layers of the update's forward pass none where they take the rollout's),
 * each decode step's weights read once from memory, the last layer and the head for the rows that need them, the optimizer's
 * bytes at the speed of copying.
 */
export function floorSeconds(config: ModelConfig, work: Work, limits: Limits): { rollout: number; update: number } {
  const { hiddenSize, intermediateSize, layers, heads, kvHeads, headDim, vocabSize } = config;
  const keys = 2 * hiddenSize * kvHeads * headDim;
  const rest = 2 * hiddenSize * heads * headDim + 3 * hiddenSize * intermediateSize;
  const head = hiddenSize * vocabSize;
  /** Multiply-adds of `rows` rows of which `needed` go through the last layer and the head. */
  const products = (rows: number, needed: number) =>
    (layers - 1) * rows * (keys + rest) + rows * keys + needed * (rest + head);
  const { prompts, prompt, group, completion } = work;
  const paths = prompts * group;
  const attend = (pairs: number, pairsOfLast: number) => 2 * heads * headDim * ((layers - 1) * pairs + pairsOfLast);
  const ofCompletions = group * prompts * ((completion - 1) * prompt + ((completion - 1) * completion) / 2);
  const ofPrompts = (prompts * prompt * (prompt + 1)) / 2;
  const seconds = (multiplyAdds: number) => (2 * multiplyAdds) / limits.peak / 1e9;

  const weights = (layers * (keys + rest) + head) * work.weightBytes;
  const decode = (completion - 1) * Math.max(weights / limits.read / 1e9, seconds(products(paths, paths)));
  const rollout =
    seconds(products(prompts * prompt, prompts) + attend(ofPrompts + ofCompletions, ofCompletions)) + decode;

  const needed = paths * completion;
  const rows = prompts * prompt + paths * (completion - 1);
  const parameters = layers * (keys + rest) + head * (config.tieWordEmbeddings ? 1 : 2);
  const forward = work.reuse ? needed * head : products(rows, needed);
  const update =
    seconds(forward + 2 * products(rows, needed) + 3.5 * attend(ofPrompts + ofCompletions, ofCompletions)) +
    (parameters * work.optimizerBytes) / limits.copy / 1e9;
  return { rollout, update };
}
