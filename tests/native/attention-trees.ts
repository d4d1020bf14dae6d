import { type AttentionPlan, BLOCK_KEYS } from "../../src/engine/attention-plan.js";

/** A segment of a test forest: `at` = how many of the parent's tokens it sees. */
export interface TestSegment {
  parent: number;
  at: number;
  length: number;
}

/** A plan with what a reference needs to know of it. */
export interface TestPlan {
  plan: AttentionPlan;
  /** Rows of the keys that each row sees, in path order; empty for padding rows. */
  paths: number[][];
  blockCount: number;
}

/**
 * Lays segments out one after the other, each with private blocks from the block it starts in (copy on branch), then
 * `padding` rows at the end of the packed order.
 */
export function planOf(segments: readonly TestSegment[], padding = 0): TestPlan {
  const position: number[] = [];
  const table: number[] = [];
  const writeBlock: number[] = [];
  const copies: number[] = [];
  const tables: number[][] = [];
  const paths: number[][] = [];
  const segmentPaths: number[][] = [];
  let blockCount = 0;
  for (const [index, { parent, at, length }] of segments.entries()) {
    const parentPath = parent < 0 ? [] : segmentPaths[parent]!;
    const parentStart = parent < 0 ? 0 : parentPath.length - segments[parent]!.length;
    const path = parentPath.slice(0, parentStart + at);
    const start = path.length;
    const blocks = parent < 0 ? [] : tables[parent]!.slice(0, Math.floor(start / BLOCK_KEYS));
    const copied = start % BLOCK_KEYS;
    if (copied > 0) copies.push(tables[parent]![blocks.length]!, blockCount, copied);
    while (blocks.length * BLOCK_KEYS < start + length) blocks.push(blockCount++);
    for (let i = 0; i < length; i++) {
      const p = start + i;
      path.push(position.length);
      paths.push(path.slice());
      position.push(p);
      table.push(index);
      writeBlock.push(blocks[Math.floor(p / BLOCK_KEYS)]!);
    }
    tables.push(blocks);
    segmentPaths.push(path);
  }
  for (let i = 0; i < padding; i++) {
    position.push(0);
    table.push(-1);
    writeBlock.push(-1);
    paths.push([]);
  }
  const tableStart = [0];
  for (const t of tables) tableStart.push(tableStart.at(-1)! + t.length);
  const plan = {
    rows: position.length,
    position: Int32Array.from(position),
    table: Int32Array.from(table),
    tableStart: Int32Array.from(tableStart),
    blocks: Int32Array.from(tables.flat()),
    writeBlock: Int32Array.from(writeBlock),
    copies: Int32Array.from(copies),
  };
  return { plan, paths, blockCount };
}

/** Reproducible numbers in about (-2, 2). */
export function noise(n: number, seed = 1): Float64Array {
  let state = seed * 2654435761 + 12345;
  return Float64Array.from({ length: n }, () => {
    let sum = 0;
    for (let k = 0; k < 4; k++) {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      sum += (state >>> 8) / 2 ** 24 - 0.5;
    }
    return sum * 1.7;
  });
}
