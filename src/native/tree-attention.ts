/** Arrays of an AttentionPlan in the order the binding takes them, then the query rows and the last keys. */
export type PlanArguments = readonly [
  position: Int32Array,
  table: Int32Array,
  tableStart: Int32Array,
  blocks: Int32Array,
  writeBlock: Int32Array,
  copies: Int32Array,
  queryRows: Int32Array | null,
  lastKeys: Int32Array | null,
];

/** native/cpp/binding/tree_attention.cpp */
export interface TreeAttentionAddon {
  treeAttention(
    heads: number,
    kvHeads: number,
    headDim: number,
    scale: number,
    rows: number,
    qkv: number,
    k: number,
    v: number,
    out: number,
    stats: number | null,
    ...plan: PlanArguments
  ): void;
  treeAttentionBackwardQueries(
    heads: number,
    kvHeads: number,
    headDim: number,
    scale: number,
    rows: number,
    qkv: number,
    k: number,
    v: number,
    out: number,
    stats: number,
    dout: number,
    dq: number,
    accumulate: boolean,
    dk: number,
    dv: number,
    continued: boolean,
    kRows: number,
    vColumns: number,
    delta: number,
    ...plan: PlanArguments
  ): void;
  treeAttentionBackwardKeys(
    heads: number,
    kvHeads: number,
    headDim: number,
    rows: number,
    dq: number | null,
    dk: number,
    dv: number,
    dqkv: number,
    accumulate: boolean,
    ...plan: PlanArguments
  ): void;
  copyBlocks(kvHeads: number, headDim: number, k: number, v: number, copies: Int32Array): void;
  rotary(
    heads: number,
    kvHeads: number,
    headDim: number,
    epsilon: number,
    rows: number,
    positions: Int32Array,
    table: number,
    qNorm: number | null,
    kNorm: number | null,
    x: number,
    y: number,
  ): void;
  rotaryBackward(
    heads: number,
    kvHeads: number,
    headDim: number,
    epsilon: number,
    rows: number,
    positions: Int32Array,
    table: number,
    qNorm: number | null,
    kNorm: number | null,
    x: number | null,
    dy: number,
    dx: number,
    accumulate: boolean,
    dqNorm: number | null,
    dkNorm: number | null,
  ): void;
}
