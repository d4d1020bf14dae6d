import { type DType, Tensor } from "./tensor.js";
import { yieldPoint } from "./yield.js";

interface Entry {
  outputs: readonly Tensor[];
  saved: readonly Tensor[];
  backward: Backward;
}

/** Turns the gradient of an op's outputs into those of its inputs; asynchronous where it runs a tape of its own. */
type Backward = () => void | Promise<void>;

/**
 * A memory scope with an optional tape. Every tensor an op makes belongs to the graph that was passed to the op and is freed
 * with it at the latest; the backward pass frees activations and gradients as it goes.
 *
 * An op records a closure that reads the gradient of its output with {@link gradient} and writes those of its inputs into
 * {@link inputGradient}. Closures run in the reverse order of recording, so that sums have one fixed order.
 */
export class Graph {
  readonly grad: boolean;
  /** No gradient of the minibatch follows this one, and each weight is used once. */
  readonly last: boolean;
  readonly #owned = new Set<Tensor>();
  readonly #gradients = new Map<Tensor, Tensor>();
  #tape: Entry[] = [];

  constructor(options: { grad: boolean; last?: boolean }) {
    this.grad = options.grad;
    this.last = options.last ?? false;
  }

  /** A new uninitialised tensor that belongs to this graph. */
  empty(dtype: DType, shape: readonly number[]): Tensor {
    return this.own(new Tensor(dtype, shape));
  }

  /** Takes ownership of a tensor. */
  own(tensor: Tensor): Tensor {
    this.#owned.add(tensor);
    return tensor;
  }

  /** Gives a tensor out of the graph's ownership; the caller frees it. */
  keep(tensor: Tensor): Tensor {
    this.#owned.delete(tensor);
    return tensor;
  }

  /** Frees a tensor of this graph now. */
  free(tensor: Tensor): void {
    if (this.#owned.delete(tensor)) tensor.dispose();
  }

  /** Says that the caller needs `tensor` no more: freed at once without a tape, by the backward pass with one. */
  done(tensor: Tensor): void {
    if (!this.grad) this.free(tensor);
  }

  /**
   * Records an op. Nothing is recorded without `grad`.
   *
   * @param outputs freed, with their gradients, once `backward` has run
   * @param saved further tensors that only `backward` needs; freed with the outputs
   */
  record(outputs: readonly Tensor[], saved: readonly Tensor[], backward: Backward): void {
    if (this.grad) this.#tape.push({ outputs, saved, backward });
    else for (const tensor of saved) this.free(tensor);
  }

  /** Gradient of the loss with respect to an output, or null when nothing depends on it. */
  gradient(output: Tensor): Tensor | null {
    return this.#gradients.get(output) ?? null;
  }

  /** Where to write the gradient of an input: `accumulate` says to add to what is there rather than overwrite. */
  inputGradient(input: Tensor): { tensor: Tensor; accumulate: boolean } {
    const present = this.#gradients.get(input);
    if (present !== undefined) return { tensor: present, accumulate: true };
    const tensor = new Tensor(input.dtype, input.shape);
    this.#gradients.set(input, tensor);
    return { tensor, accumulate: false };
  }

  /**
   * Makes the gradient of `output` the gradient of `input` without a copy. False when `input` has one already, to which
   * the caller must then add.
   */
  moveGradient(output: Tensor, input: Tensor): boolean {
    const gradient = this.#gradients.get(output);
    if (gradient === undefined) return true;
    if (this.#gradients.has(input)) return false;
    this.#gradients.delete(output);
    this.#gradients.set(input, gradient);
    return true;
  }

  /** Sets the gradient the backward pass starts from. The graph takes ownership of it. */
  seed(output: Tensor, gradient: Tensor): void {
    this.#gradients.set(output, gradient);
  }

  /** Hands out the gradient of a tensor after {@link backward}; the caller frees it. Null when there is none. */
  takeGradient(tensor: Tensor): Tensor | null {
    const gradient = this.#gradients.get(tensor) ?? null;
    this.#gradients.delete(tensor);
    return gradient;
  }

  /** Runs the tape backwards from the seeded gradients, freeing what it passes. */
  async backward(): Promise<void> {
    for (let entry = this.#tape.pop(); entry !== undefined; entry = this.#tape.pop()) {
      const pending = entry.backward();
      if (pending !== undefined) await pending;
      for (const output of entry.outputs) {
        this.#gradients.get(output)?.dispose();
        this.#gradients.delete(output);
        this.free(output);
      }
      for (const tensor of entry.saved) this.free(tensor);
      const pause = yieldPoint();
      if (pause !== undefined) await pause;
    }
  }

  /** Frees everything that is still owned. */
  dispose(): void {
    for (const tensor of this.#owned) tensor.dispose();
    for (const tensor of this.#gradients.values()) tensor.dispose();
    this.#owned.clear();
    this.#gradients.clear();
    this.#tape = [];
  }
}
