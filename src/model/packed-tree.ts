import { type AttentionPlan, BLOCK_KEYS } from "../engine/attention-plan.js";
import { type Episode, responseLength } from "../tree/episode.js";
import { pathSegments, pathStart, type Segment } from "../tree/segment.js";

/**
 * A forest of segments in one run of rows: each token that some log-prob depends on is computed once, whoever shares it.
 */
export interface PackedTree {
  /** (rows) token ids, parents before children. */
  tokens: Int32Array;
  /** (rows) row of the token before it in its path, -1 for the first of a path. */
  before: Int32Array;
  plan: AttentionPlan;
  /** Number of key blocks the plan addresses. */
  blocks: number;
  /** Rows whose final hidden state is needed, ascending. */
  outputRows: Int32Array;
  /** (pairs) index into `outputRows` of the row that predicts the target, ascending. */
  pairRows: Int32Array;
  /** (pairs) target id. */
  pairIds: Int32Array;
  /** For each episode, for each response token: its pair, or -1 where no log-prob is asked for. */
  episodePairs: Int32Array[];
  /** Tokens of the same log-probs with every episode packed on its own: what a padded batch would compute. */
  logicalTokens: number;
}

/** Mark of a pair that is asked for and not numbered yet. */
const ASKED = -2;

interface Node {
  segment: Segment;
  parent: Node | null;
  start: number;
  /** How many of its tokens must be computed. */
  used: number;
  /** Whether anything asked for lies on a path through it. */
  needed: boolean;
  row: number;
  table: number;
  /** Block ids covering the path up to this segment's end. */
  blocks: number[];
  /** Pair of each token (the log-prob of drawing it), -1 where none is asked for. */
  pairs: Int32Array;
}

/**
 * Packs episodes into one tree of rows.
 *
 * @param wanted for each episode, which response tokens need a log-prob (1) — usually its loss mask
 */
export function packEpisodes(episodes: readonly Episode[], wanted: readonly Uint8Array[]): PackedTree {
  const nodes = new Map<Segment, Node>();
  const order: Node[] = [];
  const visit = (segment: Segment): Node => {
    let node = nodes.get(segment);
    if (node === undefined) {
      const parent = segment.parent === null ? null : visit(segment.parent);
      node = {
        segment,
        parent,
        start: pathStart(segment),
        used: 0,
        needed: false,
        row: -1,
        table: -1,
        blocks: [],
        pairs: new Int32Array(segment.tokens.length).fill(-1),
      };
      nodes.set(segment, node);
      order.push(node);
    }
    return node;
  };

  let logicalTokens = 0;
  for (const [e, episode] of episodes.entries()) {
    if (episode.promptLength < 1) throw new RangeError("packEpisodes: a log-prob needs at least one token before it");
    let last = -1;
    const mask = wanted[e]!;
    let start = 0;
    for (const { segment, length } of pathSegments(episode.leaf)) {
      const node = visit(segment);
      for (let i = Math.max(0, episode.promptLength - start); i < length; i++) {
        if (mask[start + i - episode.promptLength] !== 1) continue;
        node.pairs[i] = ASKED;
        last = start + i;
      }
      start += length;
    }
    logicalTokens += Math.max(0, last);
  }
  markUsed(order);

  let rows = 0;
  const kept = order.filter((node) => node.used > 0);
  for (const [table, node] of kept.entries()) {
    node.row = rows;
    node.table = table;
    rows += node.used;
  }
  const { plan, blocks, tokens, before } = layOut(kept, rows);
  const targets = numberPairs(order);
  const episodePairs = episodes.map((episode, e) => {
    const pairs = new Int32Array(responseLength(episode)).fill(-1);
    let start = 0;
    for (const { segment, length } of pathSegments(episode.leaf)) {
      const node = nodes.get(segment)!;
      for (let i = Math.max(0, episode.promptLength - start); i < length; i++) {
        const at = start + i - episode.promptLength;
        if (wanted[e]![at] === 1) pairs[at] = node.pairs[i]!;
      }
      start += length;
    }
    return pairs;
  });
  return { tokens, before, plan, blocks, ...targets, episodePairs, logicalTokens };
}

/** A token's log-prob needs the row before it; a row needs every row of its path before it. `order` is parents first. */
function markUsed(order: readonly Node[]): void {
  for (let n = order.length - 1; n >= 0; n--) {
    const node = order[n]!;
    const last = node.pairs.lastIndexOf(ASKED);
    node.used = Math.max(node.used, last);
    node.needed ||= last >= 0 || node.used > 0;
    if (node.needed && node.parent !== null) {
      node.parent.used = Math.max(node.parent.used, node.segment.at);
      node.parent.needed = true;
    }
  }
}

/** Rows, positions and key blocks. A child that starts inside a block gets a private copy of the keys before it. */
function layOut(nodes: readonly Node[], rows: number): Pick<PackedTree, "tokens" | "before" | "plan" | "blocks"> {
  const tokens = new Int32Array(rows);
  const before = new Int32Array(rows);
  const position = new Int32Array(rows);
  const table = new Int32Array(rows);
  const writeBlock = new Int32Array(rows);
  const tableStart = new Int32Array(nodes.length + 1);
  const allBlocks: number[] = [];
  const copies: number[] = [];
  let blocks = 0;
  for (const [t, node] of nodes.entries()) {
    const whole = Math.floor(node.start / BLOCK_KEYS);
    const inherited = blocksBefore(node);
    node.blocks = inherited.slice(0, whole);
    const shared = node.start % BLOCK_KEYS;
    if (shared > 0) {
      copies.push(inherited[whole]!, blocks, shared);
      node.blocks.push(blocks++);
    }
    const end = Math.ceil((node.start + node.used) / BLOCK_KEYS);
    while (node.blocks.length < end) node.blocks.push(blocks++);
    for (let i = 0; i < node.used; i++) {
      const row = node.row + i;
      tokens[row] = node.segment.tokens[i]!;
      before[row] = i > 0 ? row - 1 : node.start > 0 ? rowOf(node.parent!, node.segment.at - 1) : -1;
      position[row] = node.start + i;
      table[row] = t;
      writeBlock[row] = node.blocks[Math.floor((node.start + i) / BLOCK_KEYS)]!;
    }
    allBlocks.push(...node.blocks);
    tableStart[t + 1] = allBlocks.length;
  }
  return {
    tokens,
    before,
    blocks,
    plan: {
      rows,
      position,
      table,
      tableStart,
      blocks: Int32Array.from(allBlocks),
      writeBlock,
      copies: Int32Array.from(copies),
    },
  };
}

/** Key blocks of the path up to where a node starts; a parent whose tokens nobody needs has none of its own. */
function blocksBefore(node: Node): readonly number[] {
  if (node.parent === null) return [];
  return node.parent.used > 0 ? node.parent.blocks : blocksBefore(node.parent);
}

/** Numbers the asked-for pairs by ascending row, so that gathers walk forward. */
function numberPairs(order: readonly Node[]): { outputRows: Int32Array; pairRows: Int32Array; pairIds: Int32Array } {
  const wanted: { row: number; node: Node; index: number }[] = [];
  for (const node of order) {
    for (let i = 0; i < node.pairs.length; i++) {
      if (node.pairs[i] !== ASKED) continue;
      const row = i > 0 ? node.row + i - 1 : rowOf(node.parent!, node.segment.at - 1);
      wanted.push({ row, node, index: i });
    }
  }
  wanted.sort((a, b) => a.row - b.row);
  const outputRows: number[] = [];
  const pairRows = new Int32Array(wanted.length);
  const pairIds = new Int32Array(wanted.length);
  for (const [p, { row, node, index }] of wanted.entries()) {
    if (outputRows.at(-1) !== row) outputRows.push(row);
    pairRows[p] = outputRows.length - 1;
    pairIds[p] = node.segment.tokens[index]!;
    node.pairs[index] = p;
  }
  return { outputRows: Int32Array.from(outputRows), pairRows, pairIds };
}

/** Row of token `index` of a node; a negative index means the token lies further up the path (an empty segment between). */
function rowOf(node: Node, index: number): number {
  return index >= 0 ? node.row + index : rowOf(node.parent!, node.segment.at - 1);
}
