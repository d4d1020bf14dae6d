import { Graph } from "./graph.js";
import type { Tensor } from "./tensor.js";

/**
 * Activation checkpointing (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"): runs `fn` without a tape and
 * keeps only its output; the backward pass runs it again with one. Gradients have the same bits as without checkpointing,
 * because the inner tape continues the gradients that the inputs have so far.
 *
 * @param inputs what `fn` reads of `g`; whatever else it reads are parameters
 * @param fn makes one new tensor from the inputs, the same each time, in the graph it is given
 */
export async function checkpointed(
  g: Graph,
  inputs: readonly Tensor[],
  fn: (g: Graph, inputs: readonly Tensor[]) => Tensor | Promise<Tensor>,
): Promise<Tensor> {
  const once = new Graph({ grad: false });
  let output: Tensor;
  try {
    output = g.own(once.keep(await fn(once, inputs)));
  } finally {
    once.dispose();
  }
  g.record([output], [], async () => {
    const gradient = g.takeGradient(output);
    if (gradient === null) return;
    const again = new Graph({ grad: true });
    try {
      for (const input of inputs) hand(input, g, again);
      again.seed(await fn(again, inputs), gradient);
      await again.backward();
      for (const input of inputs) hand(input, again, g);
    } finally {
      again.dispose();
    }
  });
  return output;
}

/** Moves the gradient of a tensor from one graph to another. */
function hand(tensor: Tensor, from: Graph, to: Graph): void {
  const gradient = from.takeGradient(tensor);
  if (gradient !== null) to.seed(tensor, gradient);
}
