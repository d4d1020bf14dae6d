import type { AttentionPlan } from "../engine/attention-plan.js";
import { checkpointed } from "../engine/checkpoint.js";
import type { Graph } from "../engine/graph.js";
import { type KvStore, newKvStore } from "../engine/kv-store.js";
import { embedding } from "../engine/ops/embedding.js";
import { rmsNorm } from "../engine/ops/rms-norm.js";
import { treeAttention } from "../engine/ops/tree-attention.js";
import { Parameter, type Part } from "../engine/parameter.js";
import type { Products } from "../engine/products.js";
import { streamed } from "../engine/stream.js";
import { accumulatorType, type FloatType, Tensor } from "../engine/tensor.js";
import { yieldPoint } from "../engine/yield.js";
import type { ModelConfig } from "./config.js";
import { type DecoderLayer, layerHalves } from "./decoder-layer.js";
import { ropeTable } from "./rope.js";

/** Rows to run through the decoder. */
export interface ForwardInput {
  /** (rows) token ids. */
  tokens: Int32Array;
  plan: AttentionPlan;
  /** Key blocks the plan addresses, for a pass with stores of its own. */
  blocks: number;
  /** One store per layer that outlives the pass (decoding, never in chunks); without it every layer gets a fresh one. */
  stores?: readonly KvStore[];
  /** Rows whose final hidden state is wanted, ascending; all when absent. The last layer runs for these only. */
  outputRows?: Int32Array;
  /** What the backward pass finds; everything when absent. */
  checkpoint?: Checkpointing;
  /** Called in place of the layers' matrix products; for passes that keep every activation. */
  products?: Products | undefined;
}

/**
 * What a forward pass keeps for the backward: every activation (false), or each layer's input, from which the backward pass
 * computes the rest again: for all rows together (true) or `chunk` rows at a time. With `group`, it keeps the input of every
 * group-th layer, from which those of the others are computed once more.
 */
export type Checkpointing = boolean | { chunk: number; group?: number };

/**
 * A decoder of the Llama family (Llama, Qwen2, Qwen3): pre-norm, rotary positions, grouped-query attention, SwiGLU.
 * The sampler and the trainer call the same {@link forward}.
 */
export class Decoder {
  readonly config: ModelConfig;
  readonly dtype: FloatType;
  /** Longest path the rotary table covers. */
  readonly maxLength: number;
  readonly embed: Parameter;
  readonly layers: DecoderLayer[] = [];
  readonly finalNorm: Parameter;
  /** The LM head (vocab, hidden); the embedding itself when tied. */
  readonly head: Parameter;
  readonly #parameters: Parameter[] = [];
  readonly #rope: Tensor;

  /** Weights are zero until loaded or initialised. */
  constructor(config: ModelConfig, dtype: FloatType, maxLength: number) {
    this.config = config;
    this.dtype = dtype;
    this.maxLength = maxLength;
    const { hiddenSize: C, headDim: D, heads, kvHeads, intermediateSize: F, vocabSize: V } = config;
    const matrix = (layout: "panels" | "rows", columns: number, ...parts: [string, number][]) =>
      this.#add(layout, columns, parts);
    const vector = (...parts: [string, number][]) => this.#add("vector", undefined, parts);

    this.embed = matrix(config.tieWordEmbeddings ? "panels" : "rows", C, ["model.embed_tokens.weight", V]);
    for (let i = 0; i < config.layers; i++) {
      const p = `model.layers.${i}`;
      const q = heads * D;
      const k = kvHeads * D;
      const attn = `${p}.self_attn`;
      const biases = (present: boolean, ...parts: [string, number][]) => (present ? vector(...parts) : undefined);
      this.layers.push({
        inputNorm: vector([`${p}.input_layernorm.weight`, C]),
        qkv: matrix(
          "panels",
          C,
          [`${attn}.q_proj.weight`, q],
          [`${attn}.k_proj.weight`, k],
          [`${attn}.v_proj.weight`, k],
        ),
        qkvBias: biases(
          config.qkvBias,
          [`${attn}.q_proj.bias`, q],
          [`${attn}.k_proj.bias`, k],
          [`${attn}.v_proj.bias`, k],
        ),
        qNorm: biases(config.qkNorm, [`${attn}.q_norm.weight`, D]),
        kNorm: biases(config.qkNorm, [`${attn}.k_norm.weight`, D]),
        output: matrix("panels", q, [`${attn}.o_proj.weight`, C]),
        outputBias: biases(config.outputBias, [`${attn}.o_proj.bias`, C]),
        postNorm: vector([`${p}.post_attention_layernorm.weight`, C]),
        gateUp: matrix("panels", C, [`${p}.mlp.gate_proj.weight`, F], [`${p}.mlp.up_proj.weight`, F]),
        gateUpBias: biases(config.mlpBias, [`${p}.mlp.gate_proj.bias`, F], [`${p}.mlp.up_proj.bias`, F]),
        down: matrix("panels", F, [`${p}.mlp.down_proj.weight`, C]),
        downBias: biases(config.mlpBias, [`${p}.mlp.down_proj.bias`, C]),
      });
    }
    this.finalNorm = vector(["model.norm.weight", C]);
    this.head = config.tieWordEmbeddings ? this.embed : matrix("panels", C, ["lm_head.weight", V]);
    this.#rope = Tensor.from(ropeTable(config, maxLength), [maxLength, D], accumulatorType(dtype));
  }

  #add(layout: "panels" | "rows" | "vector", columns: number | undefined, parts: [string, number][]): Parameter {
    let rows = 0;
    const placed: Part[] = parts.map(([name, n]) => {
      rows += n;
      return { name, start: rows - n, rows: n };
    });
    const shape = columns === undefined ? [rows] : [rows, columns];
    const parameter = new Parameter(parts[0]![0], layout, shape, this.dtype, placed);
    this.#parameters.push(parameter);
    return parameter;
  }

  /** Every trained array, in the order of the forward pass. */
  parameters(): readonly Parameter[] {
    return this.#parameters;
  }

  /**
   * Hidden states after the final norm.
   *
   * @returns (outputRows or all rows, hidden) in the model's type
   */
  async forward(g: Graph, input: ForwardInput): Promise<Tensor> {
    let x = embedding(g, input.tokens, this.embed);
    const { checkpoint = false } = input;
    const group = typeof checkpoint === "object" ? (checkpoint.group ?? 1) : 1;
    const again = g.grad && (checkpoint === true || group > 1);
    for (let first = 0; first < this.layers.length; first += group) {
      const run = (g2: Graph, [hidden]: readonly Tensor[]) => this.#run(g2, hidden!, first, group, input);
      x = again ? await checkpointed(g, [x], run) : await run(g, [x]);
    }
    const hidden = rmsNorm(g, x, this.finalNorm, this.config.rmsNormEps);
    g.done(x);
    return hidden;
  }

  /** Layers `first`... `first + count`, or as many as there are. */
  async #run(g: Graph, x: Tensor, first: number, count: number, input: ForwardInput): Promise<Tensor> {
    const { checkpoint } = input;
    let hidden = x;
    for (const [i, layer] of this.layers.slice(first, first + count).entries()) {
      const rows = first + i === this.layers.length - 1 ? input.outputRows : undefined;
      if (typeof checkpoint === "object")
        hidden = await this.#streamed(g, hidden, layer, input, checkpoint.chunk, rows);
      else hidden = this.#layer(g, hidden, layer, input, input.stores?.[first + i], rows);
      const pause = yieldPoint();
      if (pause !== undefined) await pause;
    }
    return hidden;
  }

  #layer(
    g: Graph,
    x: Tensor,
    p: DecoderLayer,
    input: ForwardInput,
    store: KvStore | undefined,
    rows?: Int32Array,
  ): Tensor {
    const { project, finish } = layerHalves(p, this.config, this.#rope, input.products);
    const { heads, kvHeads, headDim } = this.config;
    const qkv = project(g, x, input.plan.position);
    const kv = store ?? newKvStore(g, input.blocks, kvHeads, headDim, this.dtype);
    // Written out, as an object literal with a spread would have a hidden class of its own in every call.
    const options = { plan: input.plan, kv, heads, kvHeads, headDim, scale: 1 / Math.sqrt(headDim), queryRows: rows };
    const attended = treeAttention(g, qkv, options);
    g.done(qkv);
    g.done(kv.k);
    g.done(kv.v);
    return finish(g, x, attended, rows);
  }

  async #streamed(
    g: Graph,
    x: Tensor,
    p: DecoderLayer,
    input: ForwardInput,
    chunk: number,
    rows?: Int32Array,
  ): Promise<Tensor> {
    const { plan, blocks } = input;
    const { heads, kvHeads, headDim } = this.config;
    const options = { plan, blocks, heads, kvHeads, headDim, scale: 1 / Math.sqrt(headDim), queryRows: rows, chunk };
    const out = await streamed(g, x, layerHalves(p, this.config, this.#rope), options);
    g.done(x);
    return out;
  }

  /** Frees weights, gradients and tables. */
  dispose(): void {
    for (const parameter of this.#parameters) parameter.dispose();
    this.#rope.dispose();
  }
}
