import { KeptRows, type Products } from "../engine/products.js";
import type { ModelConfig } from "./config.js";
import type { PackedTree } from "./packed-tree.js";

/** More than any vocabulary. */
const IDS = 2 ** 24;

/** Hidden size from which products take longer than what they give takes to be copied away and back. */
const WORTH_KEEPING = 256;

/**
 * Room for the products of a step, or null where nothing would come of it.
 *
 * @param tokens rows of the last step's training pass; null before the first, which computes everything twice: its mismatch
 *   compares two whole computations
 * @param maxRows rows of one training pass
 */
export function keptProducts(config: ModelConfig, tokens: number | null, maxRows: number): KeptProducts | null {
  return tokens !== null && tokens <= maxRows && config.hiddenSize >= WORTH_KEEPING
    ? new KeptProducts(maxRows, tokens)
    : null;
}

/**
 * What the matrix products of sampling passes gave, for the training pass that comes before the weights move: a row's
 * activations are a function of its path's tokens and the weights alone (docs/design.md, section 1), so that they are found
 * by path, whoever drew it, and have the bits of a second computation. Holds at most `maxRows` rows; with more, nothing.
 */
export class KeptProducts {
  readonly #calls: KeptRows[] = [];
  /** Row of a path by that of the path without its last token (-1 for none) and the token. */
  readonly #rows = new Map<number, number>();
  /** For each row, which of the rows that went through the whole last layer it is, or -1. */
  readonly #outputs: number[] = [];
  #outputCount = 0;
  #dropped = false;

  /** @param expectedRows about as many as {@link given} will be asked for */
  constructor(
    readonly maxRows: number,
    readonly expectedRows: number,
  ) {}

  /** For the next pass, of `rows` rows; then {@link add} names them. */
  pass(rows: number): Products | undefined {
    if (this.#outputs.length + rows > this.maxRows) this.dispose();
    if (this.#dropped) return undefined;
    let call = 0;
    return (y, multiply) => {
      multiply();
      this.#calls[call] ??= new KeptRows(this.expectedRows);
      this.#calls[call++]!.append(y);
    };
  }

  /**
   * Says what the next rows of the pass were: `tokens` in a run, of which the last went through the whole last layer.
   *
   * @param before what an earlier call gave for the row before the first, -1 at the start of a path
   * @returns the row of the last token
   */
  add(before: number, tokens: ArrayLike<number>): number {
    let row = before;
    for (let i = 0; i < tokens.length && !this.#dropped; i++) {
      const key = keyOf(row, tokens[i]!);
      const output = i === tokens.length - 1;
      const next = this.#outputs.push(output ? this.#outputCount++ : -1) - 1;
      const known = this.#rows.get(key);
      if (known === undefined) this.#rows.set(key, next);
      else if (output) this.#outputs[known] = this.#outputs[next]!;
      row = known ?? next;
    }
    return row;
  }

  /** Gives every product of a pass over `tree`, once; undefined when some were not kept. */
  given(tree: Pick<PackedTree, "tokens" | "before" | "outputRows">): Products | undefined {
    const rows = new Int32Array(tree.tokens.length);
    for (const [i, token] of tree.tokens.entries()) {
      const before = tree.before[i]!;
      const row = this.#rows.get(keyOf(before < 0 ? -1 : rows[before]!, token));
      if (row === undefined) return undefined;
      rows[i] = row;
    }
    const outputs = tree.outputRows.map((row) => this.#outputs[rows[row]!]!);
    if (outputs.includes(-1)) return undefined;
    let call = 0;
    return (y) => {
      const kept = this.#calls[call++]!;
      const all = y.shape[0] === rows.length && kept.count === this.#outputs.length;
      kept.gather(all ? rows : outputs, y);
      kept.dispose();
    };
  }

  dispose(): void {
    for (const kept of this.#calls) kept.dispose();
    this.#calls.length = 0;
    this.#rows.clear();
    this.#dropped = true;
  }
}

function keyOf(before: number, token: number): number {
  return (before + 1) * IDS + token;
}
