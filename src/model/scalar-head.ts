import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Graph } from "../engine/graph.js";
import { linear } from "../engine/ops/linear.js";
import { Parameter } from "../engine/parameter.js";
import type { FloatType, Tensor } from "../engine/tensor.js";
import type { Decoder } from "./decoder.js";
import { openSafetensors } from "./safetensors.js";
import { loadParameters, saveWeights } from "./weights.js";

/**
 * A linear map from the final hidden states of a decoder to a few numbers per row: the value head of PPO, the scores of a
 * reward model. Its tensors have the names of a Hugging Face sequence classifier.
 */
export class ScalarHead {
  /** (outputs, hidden) */
  readonly weight: Parameter;
  /** (outputs) */
  readonly bias: Parameter | undefined;

  /** Weights are zero until loaded: values start at 0, so that the first advantages are plain returns. */
  constructor(
    readonly outputs: number,
    hiddenSize: number,
    dtype: FloatType,
    options: { bias?: boolean } = {},
  ) {
    const part = (name: string) => [{ name, start: 0, rows: outputs }];
    this.weight = new Parameter("score.weight", "panels", [outputs, hiddenSize], dtype, part("score.weight"));
    this.bias = options.bias ? new Parameter("score.bias", "vector", [outputs], dtype, part("score.bias")) : undefined;
  }

  parameters(): readonly Parameter[] {
    return this.bias === undefined ? [this.weight] : [this.weight, this.bias];
  }

  /**
   * @param hidden (rows, hidden) final hidden states
   * @returns (rows, outputs) in float32 (float64 for f64), owned by `g`
   */
  forward(g: Graph, hidden: Tensor): Tensor {
    return linear(g, hidden, this.weight, { bias: this.bias, float32: true });
  }

  dispose(): void {
    for (const parameter of this.parameters()) parameter.dispose();
  }
}

/** Beside `model.safetensors`, so that transformers still loads the folder as the policy. */
const valueFile = "value_head.safetensors";

/** Writes the value head of a policy into its model folder. */
export async function saveValueHead(head: ScalarHead, folder: string): Promise<void> {
  await saveWeights(head.parameters(), join(folder, valueFile));
}

/**
 * The value head in the folder of a policy, or null where there is none.
 *
 * @throws GrpoError GRPO_MODEL (exit code 4) when it is damaged or does not fit the decoder
 */
export async function loadValueHead(folder: string, decoder: Decoder): Promise<ScalarHead | null> {
  const file = join(folder, valueFile);
  if (!existsSync(file)) return null;
  const head = new ScalarHead(1, decoder.config.hiddenSize, decoder.dtype);
  try {
    await loadParameters(head.parameters(), openSafetensors(file), file, []);
  } catch (error) {
    head.dispose();
    throw error;
  }
  return head;
}
