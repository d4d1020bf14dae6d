import { crossEntropy } from "../../../src/algorithms/cross-entropy.js";
import { directPreference, summedLogRatio } from "../../../src/algorithms/direct-preference.js";
import { Graph } from "../../../src/engine/graph.js";
import { linearLogprob } from "../../../src/engine/ops/linear-logprob.js";
import { packRows, unpackGradient } from "../../../src/engine/ops/panels.js";
import { type Layout, Parameter } from "../../../src/engine/parameter.js";
import { type LayerHalves, streamed } from "../../../src/engine/stream.js";
import { Tensor } from "../../../src/engine/tensor.js";
import { type DecoderLayer, layerHalves } from "../../../src/model/decoder-layer.js";
import { packEpisodes } from "../../../src/model/packed-tree.js";
import { ropeTable } from "../../../src/model/rope.js";
import { passMemory, streamCost, streamedScoreShare } from "../../../src/model/stream-cost.js";
import { episode, segment } from "../../forests.js";
import { type Data, mask, numbers, type Op, row } from "../adapter.js";
import { evaluate } from "./grpo-core-losses.js";

export const system = "stream-bp";

function parameter(layout: Layout, ...matrices: number[][][]): Parameter {
  const rows = matrices.flat();
  const shape = layout === "vector" ? [rows[0]!.length] : [rows.length, rows[0]!.length];
  const p = new Parameter("p", layout, shape, "f64", []);
  packRows(p, 0, Float64Array.from(rows.flat()));
  return p;
}

/** Rows `start`... of a gradient as nested arrays. */
function gradientRows(p: Parameter, start: number, count: number): number[][] {
  const rows = unpackGradient(p, start, count);
  const nested = unflatten(rows.toArray(), p.shape[1]!);
  rows.dispose();
  return nested;
}

const unflatten = (flat: Float64Array, columns: number): number[][] =>
  Array.from({ length: flat.length / columns }, (_, r) => Array.from(flat.subarray(r * columns, (r + 1) * columns)));

/** Cuts rows into `counts` after each other. */
function cut<T>(rows: T[], counts: number[]): T[][] {
  let next = 0;
  return counts.map((n) => {
    next += n;
    return rows.slice(next - n, next);
  });
}

/** A path per sequence; a padded token hangs on the path as a branch of its own, so that it sees what came before and itself. */
function packSequences(masks: number[][]) {
  const rows: number[][] = masks.map(() => []);
  let next = 0;
  const episodes = masks.flatMap((valid, b) => {
    const real = valid.flatMap((m, t) => (m === 1 ? [t] : []));
    const path = segment(null, real);
    for (const t of real) rows[b]![t] = next++;
    const padded = valid.flatMap((m, t) => {
      if (m === 1) return [];
      rows[b]![t] = next++;
      return [episode(segment(path, [t, t], { at: real.filter((r) => r < t).length }), { promptLength: 1 })];
    });
    return [episode(segment(path, [0]), { promptLength: 1 }), ...padded];
  });
  return { rows, episodes };
}

const layerBackward: Op = async (inputs: Data, params: Data) => {
  const { hidden, weights: w, mask: masks, d_out: dout } = inputs;
  const [T, C] = [hidden[0].length as number, hidden[0][0].length as number];
  const headDim = C / params.heads;
  const layer: DecoderLayer = {
    inputNorm: parameter("vector", [w.ln1]),
    qkv: parameter("panels", w.wq, w.wk, w.wv),
    qkvBias: undefined,
    qNorm: undefined,
    kNorm: undefined,
    output: parameter("panels", w.wo),
    outputBias: undefined,
    postNorm: parameter("vector", [w.ln2]),
    gateUp: parameter("panels", w.wg, w.wu),
    gateUpBias: undefined,
    down: parameter("panels", w.wd),
    downBias: undefined,
  };
  const shape = { heads: params.heads, kvHeads: params.kv_heads, headDim, rmsNormEps: params.eps };
  const rope = { type: "default", theta: params.theta } as const;
  const table = Tensor.from(ropeTable({ headDim, rope, maxPositions: T }, T), [T, headDim], "f64");
  const { episodes, rows } = packSequences(masks);
  const tree = packEpisodes(
    episodes,
    episodes.map((e) => e.loss.fill(1)),
  );
  const order = rows.flatMap((list, b) => list.map((r, t) => ({ r, b, t }))).sort((x, y) => x.r - y.r);
  const inOrder = (values: number[][][]) => order.flatMap(({ b, t }) => values[b]![t]!);
  const byRow = (flat: Float64Array) => {
    const all = unflatten(flat, C);
    return rows.map((list) => list.map((r) => all[r]!));
  };
  const g = new Graph({ grad: true });
  const x = g.own(Tensor.from(inOrder(hidden), [order.length, C], "f64"));
  const { project, finish } = layerHalves(layer, shape, table);
  // Positions count padding; a run's are a view into those of all rows, at the same offset.
  const absolute = Int32Array.from(order, ({ t }) => t);
  const at = (run: Int32Array) => absolute.subarray(run.byteOffset / 4, run.byteOffset / 4 + run.length);
  const halves: LayerHalves = { project: (g2, rows2, run) => project(g2, rows2, at(run)), finish };
  const y = await streamed(g, x, halves, {
    ...shape,
    plan: tree.plan,
    blocks: tree.blocks,
    scale: headDim ** -0.5,
    chunk: params.chunk,
  });
  const out = byRow(y.toArray());
  g.seed(y, Tensor.from(inOrder(dout), y.shape, "f64"));
  await g.backward();
  const dx = g.takeGradient(x)!;
  const [wq, wk, wv] = cut(
    gradientRows(layer.qkv, 0, layer.qkv.shape[0]!),
    [w.wq, w.wk, w.wv].map(({ length }: number[][]) => length),
  );
  const [wg, wu] = cut(
    gradientRows(layer.gateUp, 0, layer.gateUp.shape[0]!),
    [w.wg, w.wu].map(({ length }: number[][]) => length),
  );
  return {
    out,
    d_hidden: byRow(dx.toArray()),
    d_weights: {
      ln1: layer.inputNorm.grad!.toArray(),
      wq,
      wk,
      wv,
      wo: gradientRows(layer.output, 0, w.wo.length),
      ln2: layer.postNorm.grad!.toArray(),
      wg,
      wu,
      wd: gradientRows(layer.down, 0, w.wd.length),
    },
  };
};

/** Log-probs of (sequence, position) -> id pairs through the fused head, and the gradients that `seeds` sends back. */
async function throughHead(
  hidden: number[][][],
  W: number[][],
  pairs: { b: number; t: number; id: number }[],
  temperature: number,
  seeds: (logp: Float64Array) => ArrayLike<number>,
) {
  const T = hidden[0]!.length;
  const head = parameter("panels", W);
  const g = new Graph({ grad: true });
  const h = g.own(Tensor.from(hidden.flat(2), [hidden.length * T, hidden[0]![0]!.length], "f64"));
  const { logp } = linearLogprob(g, h, head, {
    rows: Int32Array.from(pairs, ({ b, t }) => b * T + t),
    ids: Int32Array.from(pairs, ({ id }) => id),
    temperature,
    vocabSize: W.length,
  });
  g.seed(logp, Tensor.from(seeds(logp.toArray()), logp.shape, "f64"));
  await g.backward();
  const rows = unflatten(g.takeGradient(h)!.toArray(), h.shape[1]!);
  return {
    d_hidden: cut(
      rows,
      hidden.map(() => T),
    ),
    dW: gradientRows(head, 0, W.length),
  };
}

const sft: Op = async ({ hidden, W, labels }: Data, { ignore }: Data) => {
  const pairs = (labels as number[][]).flatMap((list, b) =>
    list.flatMap((id, t) => (t > 0 && id !== ignore ? [{ b, t: t - 1, id }] : [])),
  );
  let loss = 0;
  const gradients = await throughHead(hidden, W, pairs, 1, (logp) => {
    const said = crossEntropy([logp], [new Uint8Array(pairs.length).fill(1)], pairs.length);
    loss = said.loss;
    return said.dlogp[0]!;
  });
  const unshifted = (labels as number[][]).flat().filter((id) => id !== ignore).length;
  return { loss, n_valid_shifted: pairs.length, peer_normaliser_unshifted: unshifted, ...gradients };
};

const aggregations: Record<string, string> = {
  grpo: "sequence_mean_token_mean",
  bnpo: "token_mean",
  dr_grpo: "sequence_mean_token_sum_norm",
};

const grpo: Op = async (inputs: Data, params: Data) => {
  const { hidden, W, ids, prompt_len: prompt, completion_mask: masks } = inputs;
  const completions = (ids as number[][]).map((list) => list.slice(prompt));
  const pairs = completions.flatMap((list, b) => list.map((id, i) => ({ b, t: prompt + i - 1, id })));
  const rows = completions.map((list, b) =>
    row({
      length: list.length,
      mask: mask(masks[b]),
      advantage: new Float64Array(list.length).fill(inputs.advantages[b]),
      old: numbers(inputs.old_logp[b]),
      reference: numbers(inputs.ref_logp[b]),
    }),
  );
  const config = {
    epsilon_low: params.clip[0],
    epsilon_high: params.clip[1],
    aggregation: aggregations[params.loss_type],
    kl: { coefficient: params.beta },
  };
  let loss = 0;
  const gradients = await throughHead(hidden, W, pairs, params.temperature, (logp) => {
    const lists = cut(
      Array.from(logp),
      completions.map(({ length }) => length),
    );
    const said = evaluate(rows, lists, config, params.max_completion_length);
    loss = said.loss;
    return said.grad_logps.flatMap((values) => Array.from(values));
  });
  return { loss, ...gradients };
};

const dpo: Op = (inputs: Data, { beta }: Data) => {
  const sums = (which: string) =>
    Float64Array.from(inputs[`logp_${which}`], (logp: number[], n) =>
      summedLogRatio(numbers(logp), numbers(inputs[`ref_${which}`][n]), mask(inputs[`mask_${which}`][n])),
    );
  const { margins, correction, loss, dlogp } = directPreference({ preferred: sums("w"), rejected: sums("l") }, beta);
  const spread = (masks: number[][], sign: number) =>
    masks.map((list, n) => list.map((m) => (m === 1 ? sign * dlogp[n]! : 0)));
  return { c: margins, correction, loss, grad_w: spread(inputs.mask_w, 1), grad_l: spread(inputs.mask_l, -1) };
};

export const ops: Record<string, Op> = {
  decoder_layer_backward: layerBackward,
  chunked_lm_head_sft: sft,
  chunked_lm_head_grpo: grpo,
  chunked_dpo: dpo,
  stream_cost_accounting: ({ T, chunks }) => {
    const { scores, keyRows, mask: masks } = streamCost(T, chunks);
    return {
      attention_scores_full: scores.full,
      attention_scores_stream: scores.stream,
      ratio: scores.stream / scores.full,
      ratio_formula: streamedScoreShare(chunks),
      kv_projection_rows_if_recomputed: keyRows.recomputed,
      kv_projection_ratio: keyRows.recomputed / keyRows.cached,
      mask_elements_full: masks.full,
      mask_elements_stream_peak: masks.stream,
    };
  },
  stream_memory_model: ({ T, vocab, d, ffn, layers }, p) => {
    const sizes = { bytes: p.bytes, tokens: T, vocabulary: vocab, hidden: d, intermediate: ffn, layers };
    const model = { ...sizes, logitCopies: p.logit_copies };
    const full = passMemory(model, T, T);
    const stream = passMemory(model, p.logit_chunk, p.layer_chunk);
    return {
      checkpoint_hidden: full.layerInputs,
      logits_full: full.logits,
      logits_stream: stream.logits,
      mlp_acts_full: full.mlp,
      mlp_acts_stream: stream.mlp,
    };
  },
};
