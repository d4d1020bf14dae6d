import { readFileSync } from "node:fs";
import { join } from "node:path";
import { foldRowGrad } from "../../src/engine/grad-norm.js";
import { Graph } from "../../src/engine/graph.js";
import { linear } from "../../src/engine/ops/linear.js";
import { linearLogprob } from "../../src/engine/ops/linear-logprob.js";
import { unpackGradient } from "../../src/engine/ops/panels.js";
import { accumulatorType, type FloatType, Tensor } from "../../src/engine/tensor.js";
import type { Decoder } from "../../src/model/decoder.js";
import { packEpisodes } from "../../src/model/packed-tree.js";
import { loadDecoder } from "../../src/model/weights.js";
import { promptSegment } from "../../src/rollout/strategy.js";
import type { Episode } from "../../src/tree/episode.js";

interface Reference {
  rows: {
    input_ids: number[];
    logits_last: number[];
    logits_first: number[];
    logprob: number[];
    "logprob_temperature_0.7": number[];
    entropy: number[];
    loss_weights: number[];
    loss: number;
    grad: Record<string, { norm: number; first8: number[] }>;
  }[];
  greedy: { prompt: number[]; continuation: number[] };
}

/** How closely each number of a reference must be met. */
const tolerances = { logits: 1e-4, logprob: 1e-4, entropy: 1e-4, loss: 1e-4, gradient: 1e-3 };

/**
 * Runs a model folder with `reference.json` through the decoder: logits, log-probs, entropies, loss, gradients and the greedy
 * continuation. One check per number family and row.
 */
export async function runModelFolder(
  folder: string,
  dtype: FloatType = "f32",
): Promise<{ passed: number; failed: number; messages: string[] }> {
  const reference: Reference = JSON.parse(readFileSync(join(folder, "reference.json"), "utf8"));
  const longest = Math.max(
    ...reference.rows.map((row) => row.input_ids.length),
    reference.greedy.prompt.length + reference.greedy.continuation.length,
  );
  const decoder = await loadDecoder(folder, dtype, longest);
  const report = { passed: 0, failed: 0, messages: [] as string[] };
  const check = (name: string, got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number) => {
    let worst = -1;
    for (let i = 0; i < want.length && worst < 0; i++) {
      if (!(Math.abs(got[i]! - want[i]!) <= tolerance * Math.max(1, Math.abs(want[i]!)))) worst = i;
    }
    if (worst < 0 && got.length === want.length) report.passed += 1;
    else {
      report.failed += 1;
      report.messages.push(`${name}[${worst}]: got ${got[worst]}, want ${want[worst]}`);
    }
  };
  try {
    for (const [r, row] of reference.rows.entries()) {
      const name = (what: string) => `row ${r} ${what}`;
      const logits = await allLogits(decoder, Int32Array.from(row.input_ids));
      check(name("logits_first"), logits.at(0)!, row.logits_first, tolerances.logits);
      check(name("logits_last"), logits.at(-1)!, row.logits_last, tolerances.logits);
      const cool = await pass(decoder, row.input_ids, 0.7, null);
      check(name("logprob_temperature_0.7"), cool.logprob, row["logprob_temperature_0.7"], tolerances.logprob);
      const warm = await pass(decoder, row.input_ids, 1, row.loss_weights);
      check(name("logprob"), warm.logprob, row.logprob, tolerances.logprob);
      check(name("entropy"), warm.entropy, row.entropy, tolerances.entropy);
      check(
        name("loss"),
        [warm.logprob.reduce((sum, lp, i) => sum + lp * row.loss_weights[i]!, 0)],
        [row.loss],
        tolerances.loss,
      );
      for (const [tensor, { norm, first8 }] of Object.entries(row.grad)) {
        const gradient = gradientOf(decoder, tensor);
        if (gradient === null) {
          report.failed += 1;
          report.messages.push(`${name(`grad ${tensor}`)}: the model has no such tensor`);
          continue;
        }
        check(name(`grad ${tensor} norm`), [Math.hypot(...gradient) / norm], [1], tolerances.gradient);
        check(name(`grad ${tensor} first8`), gradient.subarray(0, first8.length), first8, tolerances.gradient);
      }
      for (const parameter of decoder.parameters()) parameter.clearGrad();
    }
    check(
      "greedy",
      await greedy(decoder, reference.greedy.prompt, reference.greedy.continuation.length),
      reference.greedy.continuation,
      0,
    );
  } finally {
    decoder.dispose();
  }
  return report;
}

/** An episode of given tokens whose every token but the first has a log-prob. */
function episodeOf(ids: readonly number[]): Episode {
  const leaf = promptSegment({ prompt: Int32Array.from(ids) });
  return {
    leaf,
    promptLength: 1,
    loss: new Uint8Array(ids.length - 1).fill(1),
    spans: {},
    steps: [],
    trajectory: 0,
    role: "train",
    weight: 1,
    behaviour: "recompute",
    finish: "stop",
    text: "",
    rewards: { components: {}, total: 0 },
    trace: {},
  };
}

async function allLogits(decoder: Decoder, ids: Int32Array): Promise<Float64Array[]> {
  const episode = episodeOf([...ids, 0]);
  const tree = packEpisodes([episode], [episode.loss]);
  const g = new Graph({ grad: false });
  try {
    const hidden = await decoder.forward(g, { tokens: tree.tokens, plan: tree.plan, blocks: tree.blocks });
    const logits = linear(g, hidden, decoder.head, { float32: true });
    const [rows, columns] = logits.shape as [number, number];
    const all = logits.toArray();
    return Array.from({ length: rows }, (_, i) => all.subarray(i * columns, (i + 1) * columns));
  } finally {
    g.dispose();
  }
}

/** Log-probs and entropies of the tokens after the first; with weights also the gradients of sum_t weight_t logprob_t. */
async function pass(decoder: Decoder, ids: readonly number[], temperature: number, weights: readonly number[] | null) {
  const episode = episodeOf(ids);
  const tree = packEpisodes([episode], [episode.loss]);
  const g = new Graph({ grad: weights !== null });
  try {
    const hidden = await decoder.forward(g, {
      tokens: tree.tokens,
      plan: tree.plan,
      blocks: tree.blocks,
      outputRows: tree.outputRows,
    });
    const { logp, entropy } = linearLogprob(g, hidden, decoder.head, {
      rows: tree.pairRows,
      ids: tree.pairIds,
      temperature,
      vocabSize: decoder.config.vocabSize,
    });
    const said = { logprob: logp.toArray(), entropy: entropy.toArray() };
    if (weights !== null) {
      g.seed(logp, Tensor.from(weights, logp.shape, accumulatorType(decoder.dtype)));
      await g.backward();
      for (const parameter of decoder.parameters()) foldRowGrad(parameter);
    }
    return said;
  } finally {
    g.dispose();
  }
}

function gradientOf(decoder: Decoder, name: string): Float64Array | null {
  for (const parameter of decoder.parameters()) {
    const part = parameter.parts.find((p) => p.name === name);
    if (part === undefined) continue;
    const rows = unpackGradient(parameter, part.start, part.rows);
    const values = rows.toArray();
    rows.dispose();
    return values;
  }
  return null;
}

async function greedy(decoder: Decoder, prompt: readonly number[], count: number): Promise<number[]> {
  const ids = [...prompt];
  for (let i = 0; i < count; i++) {
    const last = (await allLogits(decoder, Int32Array.from(ids))).at(-1)!;
    ids.push(last.indexOf(Math.max(...last)));
  }
  return ids.slice(prompt.length);
}
