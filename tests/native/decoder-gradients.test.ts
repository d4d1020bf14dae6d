import assert from "node:assert/strict";
import { test } from "node:test";
import { foldRowGrad } from "../../src/engine/grad-norm.js";
import { unpackGradient } from "../../src/engine/ops/panels.js";
import type { Parameter } from "../../src/engine/parameter.js";
import type { Decoder } from "../../src/model/decoder.js";
import {
  accumulateGradients,
  type PassOptions,
  scoreEpisodes,
  type TokenGradients,
} from "../../src/pipeline/policy.js";
import { type Episode, responseLength } from "../../src/tree/episode.js";
import { integers, richForest } from "../forests.js";
import { randomNumbers } from "../random-rows.js";
import { families, tinyDecoder } from "../tiny-decoder.js";

const pass = {
  temperature: 0.8,
  vocabSize: 93,
  maxTokens: 4096,
  sharedPrefix: true,
  checkpoint: false,
  entropy: true,
};

/** Gradients of each episode's log-probs and entropies: random, so that shared tokens get different ones in each episode. */
function weights(episodes: readonly Episode[], seed = 4): Required<Pick<TokenGradients, "dlogp" | "dentropy">>[] {
  const random = randomNumbers(seed);
  const array = (n: number) => Float64Array.from({ length: n }, () => 2 * random() - 1);
  return episodes.map((e) => ({ dlogp: array(responseLength(e)), dentropy: array(responseLength(e)) }));
}

const everything = (episodes: readonly Episode[]) => episodes.map((e) => new Uint8Array(responseLength(e)).fill(1));

/** Gradient of sum(dlogp logp + dentropy entropy), row-major, by Hugging Face name. */
async function gradients(
  decoder: Decoder,
  episodes: readonly Episode[],
  seeds: readonly TokenGradients[],
  options: Partial<PassOptions & { entropy: boolean }> = {},
): Promise<Map<string, Float64Array>> {
  const all = { ...pass, ...options };
  await accumulateGradients(decoder, episodes, everything(episodes), all, (indices) => indices.map((e) => seeds[e]!));
  const found = new Map<string, Float64Array>();
  for (const parameter of decoder.parameters()) {
    foldRowGrad(parameter);
    for (const part of parameter.parts) {
      const rows = unpackGradient(parameter, part.start, part.rows);
      found.set(part.name, rows.toArray());
      rows.dispose();
    }
    parameter.clearGrad();
  }
  return found;
}

const norm = (values: Iterable<number>) => Math.sqrt([...values].reduce((sum, x) => sum + x * x, 0));

function assertNear(got: Map<string, Float64Array>, want: Map<string, Float64Array>, bound: number): void {
  for (const [name, values] of want) {
    const other = got.get(name)!;
    const distance = norm(values.map((x, i) => x - other[i]!));
    assert.ok(distance <= bound * norm(values), `${name}: off by ${distance} of ${norm(values)}`);
  }
}

for (const [name, family] of Object.entries(families)) {
  test(`${name}: gradients of the packed tree are those of one sequence at a time, to 1e-5`, async () => {
    const decoder = tinyDecoder("f32", family);
    const forest = richForest(93).all;
    const seeds = weights(forest);
    const tree = await gradients(decoder, forest, seeds);
    assertNear(await gradients(decoder, forest, seeds, { sharedPrefix: false }), tree, 1e-5);
    decoder.dispose();
  });

  test(`${name}: gradients of the packed tree are central differences in float64`, async () => {
    const decoder = tinyDecoder("f64", family);
    const { inside, turns, forced, ownRoot } = richForest(93);
    const forest = [inside, turns, forced, ownRoot];
    const seeds = weights(forest);
    const got = await gradients(decoder, forest, seeds);
    const loss = async () => {
      const { logp, entropy } = await scoreEpisodes(decoder, forest, everything(forest), pass);
      const sum = (a: Float64Array, b: Float64Array) => a.reduce((total, x, i) => total + x * b[i]!, 0);
      return forest.reduce((t, _, e) => t + sum(logp[e]!, seeds[e]!.dlogp) + sum(entropy[e]!, seeds[e]!.dentropy), 0);
    };
    const draw = integers(12);
    for (const parameter of decoder.parameters()) {
      for (const { name: part, start, rows } of parameter.parts) {
        const columns = parameter.shape[1] ?? 1;
        const gradient = got.get(part)!;
        for (let n = 0; n < 2; n++) {
          const [row, column] = [draw(rows), draw(columns)];
          const at = elementAt(parameter, start + row, column);
          const [value] = parameter.value.toArray(at, 1) as unknown as [number];
          const h = 1e-5;
          const moved = async (to: number) => {
            parameter.value.write([to], at);
            return loss();
          };
          const want = ((await moved(value + h)) - (await moved(value - h))) / (2 * h);
          parameter.value.write([value], at);
          const analytic = gradient[row * columns + column]!;
          const bound = 1e-6 * Math.max(1, Math.abs(want));
          assert.ok(Math.abs(analytic - want) <= bound, `${part}[${row}, ${column}]: ${analytic}, differences ${want}`);
        }
      }
    }
    decoder.dispose();
  });
}

/** Index of an element in a parameter's storage. */
function elementAt({ layout, shape }: Parameter, row: number, column: number): number {
  const columns = shape[1] ?? 1;
  if (layout !== "panels") return row * columns + column;
  return (Math.floor(row / 32) * columns + column) * 32 + (row % 32);
}

test("a policy token that two episodes share gets the sum of their gradients", async () => {
  const decoder = tinyDecoder("f64", families["llama, untied"]);
  const { short, turns } = richForest(93);
  const seeds = weights([short, turns]);
  const both = await gradients(decoder, [short, turns], seeds);
  const first = await gradients(decoder, [short], seeds.slice(0, 1));
  const second = await gradients(decoder, [turns], seeds.slice(1));
  const sum = new Map([...first].map(([name, a]) => [name, a.map((x, i) => x + second.get(name)![i]!)]));
  assertNear(both, sum, 1e-12);
  decoder.dispose();
});
