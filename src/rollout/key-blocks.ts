import { BLOCK_KEYS } from "../engine/attention-plan.js";
import { copyBlocks, createKvStore, disposeKvStore, type KvStore } from "../engine/kv-store.js";
import type { Decoder } from "../model/decoder.js";

/**
 * The key/value blocks of a decoder while it samples: blocks of 64 keys, shared between paths and copied when a path
 * branches inside one (docs/design.md, rule 3). One pool per layer, addressed by the same block ids.
 */
export class KeyBlocks {
  readonly stores: readonly KvStore[];
  readonly #users: Int32Array;
  readonly #free: number[] = [];

  constructor(
    decoder: Decoder,
    readonly capacity: number,
  ) {
    const { kvHeads, headDim } = decoder.config;
    this.stores = decoder.layers.map(() => createKvStore(capacity, kvHeads, headDim, decoder.dtype));
    this.#users = new Int32Array(capacity);
    for (let block = capacity - 1; block >= 0; block--) this.#free.push(block);
  }

  get available(): number {
    return this.#free.length;
  }

  /** A block of one's own. @throws Error when none is left: callers reserve before they start */
  take(): number {
    const block = this.#free.pop();
    if (block === undefined) throw new Error("KeyBlocks: no block left");
    this.#users[block] = 1;
    return block;
  }

  share(block: number): number {
    this.#users[block]!++;
    return block;
  }

  release(blocks: readonly number[]): void {
    for (const block of blocks) {
      if (--this.#users[block]! === 0) this.#free.push(block);
    }
  }

  /**
   * Blocks for `count` paths that go on from one of `length` tokens: whole blocks shared, an open one copied.
   */
  fork(blocks: readonly number[], length: number, count: number): number[][] {
    const whole = Math.floor(length / BLOCK_KEYS);
    const open = length % BLOCK_KEYS;
    const copies: number[] = [];
    const forks = Array.from({ length: count }, () => {
      const fork = blocks.slice(0, whole).map((block) => this.share(block));
      if (open > 0) {
        const own = this.take();
        copies.push(blocks[whole]!, own, open);
        fork.push(own);
      }
      return fork;
    });
    if (copies.length > 0) {
      for (const store of this.stores) copyBlocks(store, Int32Array.from(copies));
    }
    return forks;
  }

  dispose(): void {
    for (const store of this.stores) disposeKvStore(store);
  }
}

/** Blocks that `count` paths of at most `longest` tokens need which share their first `prefix` tokens. */
export function blocksNeeded(prefix: number, longest: number, count: number): number {
  const shared = Math.ceil(prefix / BLOCK_KEYS);
  return shared + count * (Math.ceil(longest / BLOCK_KEYS) - Math.floor(prefix / BLOCK_KEYS));
}
