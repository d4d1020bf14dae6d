import { Graph } from "../../../src/engine/graph.js";
import { newKvStore } from "../../../src/engine/kv-store.js";
import { treeAttention } from "../../../src/engine/ops/tree-attention.js";
import { Tensor } from "../../../src/engine/tensor.js";
import { type PackedTree, packEpisodes } from "../../../src/model/packed-tree.js";
import { packingCost } from "../../../src/model/packing-cost.js";
import { episode, segment } from "../../forests.js";
import type { Data, Op } from "../adapter.js";

export const system = "prefix-grouper";

/** A prompt and its responses as the product packs them; `suffixRows`: per response, the rows that predict its tokens. */
interface Packed {
  lengths: number[];
  tree: PackedTree;
  suffixRows: number[][];
}

/** One more token closes each response, so that its own last token is a row too. */
const CLOSE = 0;

function pack(prompt: number[], responses: number[][]): Packed {
  const root = segment(null, prompt);
  const episodes = responses.map((tokens) => episode(segment(root, [...tokens, CLOSE])));
  const tree = packEpisodes(
    episodes,
    responses.map(({ length }) => new Uint8Array(length + 1).fill(1)),
  );
  return {
    lengths: [prompt.length, ...responses.map(({ length }) => length)],
    tree,
    suffixRows: tree.episodePairs.map((pairs) => Array.from(pairs, (pair) => tree.outputRows[tree.pairRows[pair]!]!)),
  };
}

/** Groups by their lengths alone. */
const packLengths = ([prompt, ...responses]: number[]) =>
  pack(
    new Array(prompt!).fill(1),
    responses.map((n) => new Array(n).fill(1)),
  );

/** `rows` on the valid side, filled up to `width`. */
function pad<T>(rows: T[], width: number, side: string, fill: T): T[] {
  const rest = new Array<T>(Math.max(0, width - rows.length)).fill(fill);
  return side === "left" ? [...rest, ...rows] : [...rows, ...rest];
}
const unpad = (ids: number[], valid: number[]) => ids.filter((_, i) => Number(valid[i]) === 1);
const ones = (n: number) => new Array<number>(n).fill(1);
const widest = (lists: { length: number }[]) => Math.max(0, ...lists.map(({ length }) => length));

/** Lists as one padded block, and its mask. */
function block(lists: number[][], side: string, width = widest(lists)): { ids: number[][]; mask: number[][] } {
  return {
    ids: lists.map((ids) => pad(ids, width, side, 0)),
    mask: lists.map(({ length }) => pad(ones(length), width, side, 0)),
  };
}

const layout: Op = (inputs: Data, { padding_mode: side }) => {
  let next = 0;
  const groups: Packed[] = inputs.prompt_ids.map((ids: number[], b: number) => {
    const first = next;
    next += inputs.group_sizes[b];
    const responses = inputs.completion_ids
      .slice(first, next)
      .map((row: number[], i: number) => unpad(row, inputs.completion_mask[first + i]));
    return pack(unpad(ids, inputs.prompt_mask[b]), responses);
  });
  const tokens = (rows: number[], { tree }: Packed) => rows.map((row) => tree.tokens[row]!);
  const all = groups.map((g) => Array.from(g.tree.tokens));
  const width = widest(all);
  const grouped = (marks: (isPrefix: boolean) => number) =>
    groups.map((g) =>
      pad(
        Array.from(g.tree.plan.table, (table) => marks(table === g.tree.plan.table[0])),
        width,
        side,
        0,
      ),
    );
  const prompts = groups.map((g) => Array.from({ length: g.lengths[0]! }, (_, i) => g.tree.tokens[i]!));
  const predicting = groups.flatMap((g) => g.suffixRows.map((rows) => tokens(rows, g)));
  const responses = groups.flatMap((g) => g.suffixRows.map((rows) => tokens(rows.slice(1), g)));
  const prefixes = groups.flatMap((g, b) => g.suffixRows.map(() => prompts[b]!));
  const prefix = block(prompts, "left");
  const suffix = block(responses, "right");
  const early = block(
    prompts.map((ids) => ids.slice(0, -1)),
    "left",
    widest(prompts) - 1,
  );
  const late = block(predicting, "right");
  return {
    group_info: groups.map(({ lengths }) => lengths),
    input_ids: block(all, side).ids,
    padding_mask: block(all, side).mask,
    grouped_prefix_mask: grouped((isPrefix) => Number(isPrefix)),
    grouped_suffix_mask: grouped((isPrefix) => Number(!isPrefix)),
    ungrouped_prefix_mask: prefix.mask,
    ungrouped_suffix_mask: suffix.mask,
    prefix_attn_mask: prefix.mask,
    suffix_attn_mask: block(prefixes, "left", widest(prompts)).mask.map((mask, i) => [...mask, ...suffix.mask[i]!]),
    split1: { prefix: early.ids, prefix_mask: early.mask, suffix: late.ids, suffix_mask: late.mask },
    split0: { prefix: prefix.ids, prefix_mask: prefix.mask, suffix: suffix.ids, suffix_mask: suffix.mask },
    position_ids: block(
      groups.map(({ tree }) => Array.from(tree.plan.position)),
      side,
    ).ids,
  };
};

/** Attention of one group on the float64 path; arrays are (heads, rows, d) in, (rows, heads, d) and (heads, rows, d) out. */
async function attend(lengths: number[], q: number[][][], k: number[][][], v: number[][][], w: number[][][]) {
  const { tree, suffixRows } = packLengths(lengths);
  const [heads, kvHeads] = [q.length, k.length];
  const d = q[0]![0]!.length;
  const headDim = d + (d % 2);
  const all = [...q, ...k, ...v];
  const rows = Array.from({ length: tree.plan.rows }, (_, r) =>
    all.flatMap((head) => pad(head[r]!, headDim, "right", 0)),
  );
  const g = new Graph({ grad: true });
  const qkv = g.own(Tensor.from(rows.flat(), [rows.length, all.length * headDim], "f64"));
  const kv = newKvStore(g, tree.blocks, kvHeads, headDim, "f64");
  const y = treeAttention(g, qkv, { plan: tree.plan, kv, heads, kvHeads, headDim, scale: d ** -0.5 });
  const out = split(y.toArray(), rows.length, heads, headDim, d);
  const asked = new Set(suffixRows.flat());
  const weights = w
    .slice(0, rows.length)
    .map((row, r) => row.map((head) => head.map((value) => (asked.has(r) ? value : 0))));
  g.seed(
    y,
    Tensor.from(
      weights.flatMap((row) => row.flatMap((head) => pad(head, headDim, "right", 0))),
      y.shape,
      "f64",
    ),
  );
  await g.backward();
  const gradient = g.takeGradient(qkv)!;
  const dqkv = split(gradient.toArray(), rows.length, all.length, headDim, d);
  gradient.dispose();
  g.dispose();
  const loss = weights.flat(2).reduce((sum, value, i) => sum + value * out.flat(2)[i]!, 0);
  const byHead = (from: number, count: number) =>
    Array.from({ length: count }, (_, h) => dqkv.map((row) => row[from + h]!));
  return {
    out,
    loss,
    dq: byHead(0, heads),
    dk: byHead(heads, kvHeads),
    dv: byHead(heads + kvHeads, kvHeads),
  };
}

/** (rows, heads, headDim) as nested arrays of the first d of each head. */
function split(flat: Float64Array, rows: number, heads: number, headDim: number, d: number): number[][][] {
  return Array.from({ length: rows }, (_, r) =>
    Array.from({ length: heads }, (_, h) => {
      const at = (r * heads + h) * headDim;
      return Array.from(flat.subarray(at, at + d));
    }),
  );
}

const attention: Op = async (inputs: Data, params: Data) => {
  const side: string = params.padding_mode ?? "right";
  const width: number = inputs.q[0][0].length;
  const results = [];
  for (const [b, lengths] of (inputs.group_info as number[][]).entries()) {
    const rows = lengths.reduce((sum, n) => sum + n, 0);
    const valid = <T>(list: T[]) => (side === "left" ? list.slice(width - rows) : list.slice(0, rows));
    const heads = (x: number[][][]) => x.map(valid);
    const { q, k, v, w } = inputs;
    results.push(await attend(lengths, heads(q[b]), heads(k[b]), heads(v[b]), valid(w[b])));
  }
  const zeros = (like: number[]) => like.map(() => 0);
  const padHeads = (x: number[][][]) => x.map((head) => pad(head, width, side, zeros(head[0]!)));
  return {
    out: results.map(({ out }) => pad(out, width, side, out[0]!.map(zeros))),
    loss: results.reduce((sum, { loss }) => sum + loss, 0),
    grad_q: results.map(({ dq }) => padHeads(dq)),
    grad_k: results.map(({ dk }) => padHeads(dk)),
    grad_v: results.map(({ dv }) => padHeads(dv)),
  };
};

export const ops: Record<string, Op> = {
  "prefix_grouper.layout": layout,
  "prefix_grouper.convert_padding": ({ ids, mask }, { padding_mode: side }) => ({
    ids: ids.map((row: number[], i: number) => pad(unpad(row, mask[i]), row.length, side, 0)),
  }),
  "prefix_grouper.attention": attention,
  "prefix_grouper.flops": ({ configs }) => ({
    rows: configs.map(([G, Lp, Lr]: [number, number, number]) => {
      const root = segment(null, new Array(Lp).fill(1));
      const { attention, tokens } = packingCost(Array.from({ length: G }, () => segment(root, new Array(Lr).fill(1))));
      return {
        G,
        Lp,
        Lr,
        attn_base: attention.repeated,
        attn_ours: attention.packed,
        attn_ratio: attention.packed / attention.repeated,
        point_base: tokens.repeated,
        point_ours: tokens.packed,
        point_ratio: tokens.packed / tokens.repeated,
      };
    }),
  }),
};
