import { createHash } from "node:crypto";

/** Characters of a digest that are kept: 2^64 values, so that a million texts hardly ever share one. */
const DIGEST = 16;

/** The different solutions a run has seen, each by a digest of its task and text. */
export class SeenSolutions {
  #digests = new Set<string>();

  /** How many there are. */
  get count(): number {
    return this.#digests.size;
  }

  /** Remembers a solution; one that is known changes nothing. */
  add(task: Record<string, unknown>, text: string): void {
    const hash = createHash("sha256").update(JSON.stringify([task, text]));
    this.#digests.add(hash.digest("hex").slice(0, DIGEST));
  }

  saveState(): string[] {
    return [...this.#digests];
  }

  loadState(state: unknown): void {
    this.#digests = new Set(state as string[]);
  }
}
