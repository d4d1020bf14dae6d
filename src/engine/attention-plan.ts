/** Keys of one block. Blocks start at positions 0, 64, 128, ... of a path, whatever the borders of its segments. */
export const BLOCK_KEYS = 64;

/** Where the keys of every packed row lie, and which keys each row sees. Built once per tree or decode step. */
export interface AttentionPlan {
  /** Packed rows of this call. */
  rows: number;
  /** (rows) absolute index of the token in its path. */
  position: Int32Array;
  /** (rows) block table the row reads; -1 = padding row (output zeros, no key written). */
  table: Int32Array;
  /** (tables + 1) offsets of the tables in `blocks`. */
  tableStart: Int32Array;
  /** Block ids that cover path positions 0, 64, 128, ... of each table. */
  blocks: Int32Array;
  /** (rows) block that receives the row's K and V (slot = position % 64). */
  writeBlock: Int32Array;
  /** (n x 3) source block, target block, keys: the first `keys` slots are copied after the writes, in order. */
  copies: Int32Array;
  /** (rows) last position a row sees; absent: its own (causal). A row may see keys written in the same call after it. */
  lastKeys?: Int32Array;
}
