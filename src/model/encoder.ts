import { type AttentionPlan, BLOCK_KEYS } from "../engine/attention-plan.js";
import { Graph } from "../engine/graph.js";
import { newKvStore } from "../engine/kv-store.js";
import { addInPlace } from "../engine/ops/add.js";
import { embedding } from "../engine/ops/embedding.js";
import { gelu } from "../engine/ops/gelu.js";
import { layerNorm } from "../engine/ops/layer-norm.js";
import { linear } from "../engine/ops/linear.js";
import { treeAttention } from "../engine/ops/tree-attention.js";
import { type Layout, Parameter } from "../engine/parameter.js";
import type { FloatType, Tensor } from "../engine/tensor.js";
import { yieldPoint } from "../engine/yield.js";
import { type EncoderConfig, readEncoderConfig } from "./encoder-config.js";
import { openModelTensors } from "./safetensors.js";
import { loadParameters } from "./weights.js";

interface Norm {
  weight: Parameter;
  bias: Parameter;
}

interface Dense {
  weight: Parameter;
  bias: Parameter;
}

interface Layer {
  qkv: Dense;
  attended: Dense;
  attendedNorm: Norm;
  up: Dense;
  down: Dense;
  outputNorm: Norm;
}

/** Rows of one pass; longer batches go through in several. */
const PASS_ROWS = 4096;

/**
 * A frozen encoder of the BERT family (BERT, MiniLM, E5, RoBERTa): learned positions, attention to both sides, a norm after each
 * residual sum (Devlin et al. 2019, arXiv 1810.04805). A text's states do not depend on what else is in the batch.
 */
export class Encoder {
  readonly #parameters: Parameter[] = [];
  readonly #words: Parameter;
  readonly #positions: Parameter;
  readonly #types: Parameter;
  readonly #norm: Norm;
  readonly #layers: Layer[];

  private constructor(
    readonly config: EncoderConfig,
    readonly dtype: FloatType,
    prefix: string,
  ) {
    const { hiddenSize: C, intermediateSize: F } = config;
    const table = (name: string, rows: number) => this.#add("rows", C, [[`${prefix}embeddings.${name}.weight`, rows]]);
    const dense = (columns: number, ...parts: [string, number][]): Dense => ({
      weight: this.#add(
        "panels",
        columns,
        parts.map(([name, rows]) => [`${name}.weight`, rows]),
      ),
      bias: this.#add(
        "vector",
        undefined,
        parts.map(([name, rows]) => [`${name}.bias`, rows]),
      ),
    });
    const norm = (name: string): Norm => ({
      weight: this.#add("vector", undefined, [[`${name}.weight`, C]]),
      bias: this.#add("vector", undefined, [[`${name}.bias`, C]]),
    });
    this.#words = table("word_embeddings", config.vocabSize);
    this.#positions = table("position_embeddings", config.positions);
    this.#types = table("token_type_embeddings", config.tokenTypes);
    this.#norm = norm(`${prefix}embeddings.LayerNorm`);
    this.#layers = Array.from({ length: config.layers }, (_, i) => {
      const p = `${prefix}encoder.layer.${i}`;
      const self = `${p}.attention.self`;
      return {
        qkv: dense(C, [`${self}.query`, C], [`${self}.key`, C], [`${self}.value`, C]),
        attended: dense(C, [`${p}.attention.output.dense`, C]),
        attendedNorm: norm(`${p}.attention.output.LayerNorm`),
        up: dense(C, [`${p}.intermediate.dense`, F]),
        down: dense(F, [`${p}.output.dense`, C]),
        outputNorm: norm(`${p}.output.LayerNorm`),
      };
    });
  }

  /**
   * Loads an encoder from a Hugging Face folder. Heads (pooler, language model) are not read.
   *
   * @throws GrpoError GRPO_MODEL (exit code 4) when the folder is incomplete or of another shape than its config says
   */
  static async load(folder: string, dtype: FloatType = "f32"): Promise<Encoder> {
    const config = readEncoderConfig(folder);
    const stored = openModelTensors(folder);
    const names = [...stored.keys()];
    const prefix =
      names.find((name) => name.endsWith("embeddings.word_embeddings.weight"))?.split("embeddings.")[0] ?? "";
    const encoder = new Encoder(config, dtype, prefix);
    const wanted = ["embeddings.", "encoder."].map((part) => prefix + part);
    const ignored = names.filter(
      (name) => name.endsWith("position_ids") || !wanted.some((start) => name.startsWith(start)),
    );
    try {
      await loadParameters(encoder.#parameters, stored, folder, ignored);
    } catch (error) {
      encoder.dispose();
      throw error;
    }
    return encoder;
  }

  /** Most tokens of a text. */
  get maxLength(): number {
    return this.config.positions - this.config.firstPosition;
  }

  /**
   * Hidden states of the last layer.
   *
   * @param texts ids of each text, special tokens included, 1 to `maxLength` of them
   * @returns (T, C) per text, row-major
   */
  async hidden(texts: readonly Int32Array[]): Promise<Float64Array[]> {
    const states: Float64Array[] = [];
    for (let from = 0; from < texts.length; ) {
      let to = from;
      for (let rows = 0; to < texts.length && (to === from || rows + texts[to]!.length <= PASS_ROWS); to++) {
        rows += texts[to]!.length;
      }
      states.push(...(await this.#pass(texts.slice(from, to))));
      from = to;
    }
    return states;
  }

  dispose(): void {
    for (const parameter of this.#parameters) parameter.dispose();
  }

  async #pass(texts: readonly Int32Array[]): Promise<Float64Array[]> {
    const { hiddenSize: C, firstPosition, layerNormEps } = this.config;
    const { plan, blocks } = planTexts(texts);
    const g = new Graph({ grad: false });
    try {
      const tokens = new Int32Array(plan.rows);
      let row = 0;
      for (const ids of texts) {
        tokens.set(ids, row);
        row += ids.length;
      }
      const sum = embedding(g, tokens, this.#words);
      // The order of transformers, whose rounding this repeats.
      addInPlace(sum, embedding(g, new Int32Array(plan.rows), this.#types));
      addInPlace(
        sum,
        embedding(
          g,
          plan.position.map((position) => position + firstPosition),
          this.#positions,
        ),
      );
      let x = layerNorm(g, sum, this.#norm.weight, this.#norm.bias, layerNormEps);
      g.done(sum);
      for (const layer of this.#layers) {
        x = this.#layer(g, x, layer, plan, blocks);
        const pause = yieldPoint();
        if (pause !== undefined) await pause;
      }
      const values = Float64Array.from(x.read() as Float32Array);
      row = 0;
      return texts.map(({ length }) => {
        row += length;
        return values.slice((row - length) * C, row * C);
      });
    } finally {
      g.dispose();
    }
  }

  #layer(g: Graph, x: Tensor, p: Layer, plan: AttentionPlan, blocks: number): Tensor {
    const { heads, headDim, layerNormEps, activation } = this.config;
    const qkv = linear(g, x, p.qkv.weight, { bias: p.qkv.bias });
    const kv = newKvStore(g, blocks, heads, headDim, this.dtype);
    const attended = treeAttention(g, qkv, { plan, kv, heads, kvHeads: heads, headDim, scale: 1 / Math.sqrt(headDim) });
    g.done(qkv);
    const mixed = linear(g, attended, p.attended.weight, { bias: p.attended.bias, residual: x });
    g.done(attended);
    g.done(x);
    const normed = layerNorm(g, mixed, p.attendedNorm.weight, p.attendedNorm.bias, layerNormEps);
    g.done(mixed);
    const up = linear(g, normed, p.up.weight, { bias: p.up.bias });
    const activated = gelu(g, up, activation);
    g.done(up);
    const down = linear(g, activated, p.down.weight, { bias: p.down.bias, residual: normed });
    g.done(activated);
    g.done(normed);
    const out = layerNorm(g, down, p.outputNorm.weight, p.outputNorm.bias, layerNormEps);
    g.done(down);
    return out;
  }

  #add(layout: Layout, columns: number | undefined, parts: readonly (readonly [string, number])[]): Parameter {
    let rows = 0;
    const placed = parts.map(([name, n]) => {
      rows += n;
      return { name, start: rows - n, rows: n };
    });
    const shape = columns === undefined ? [rows] : [rows, columns];
    const parameter = new Parameter(parts[0]![0], layout, shape, this.dtype, placed);
    this.#parameters.push(parameter);
    return parameter;
  }
}

/** Texts side by side, every token seeing its whole text. */
function planTexts(texts: readonly Int32Array[]): { plan: AttentionPlan; blocks: number } {
  const rows = texts.reduce((sum, { length }) => sum + length, 0);
  const position = new Int32Array(rows);
  const table = new Int32Array(rows);
  const writeBlock = new Int32Array(rows);
  const lastKeys = new Int32Array(rows);
  const tableStart = new Int32Array(texts.length + 1);
  let row = 0;
  for (const [t, { length }] of texts.entries()) {
    const first = tableStart[t]!;
    tableStart[t + 1] = first + Math.ceil(length / BLOCK_KEYS);
    for (let p = 0; p < length; p++, row++) {
      position[row] = p;
      table[row] = t;
      writeBlock[row] = first + Math.floor(p / BLOCK_KEYS);
      lastKeys[row] = length - 1;
    }
  }
  const blocks = tableStart.at(-1)!;
  const all = Int32Array.from({ length: blocks }, (_, block) => block);
  const copies = new Int32Array(0);
  return { plan: { rows, position, table, tableStart, blocks: all, writeBlock, copies, lastKeys }, blocks };
}
