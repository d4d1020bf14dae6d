import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Graph } from "../../src/engine/graph.js";
import { linearLogprob } from "../../src/engine/ops/linear-logprob.js";
import { sampleTokens } from "../../src/engine/ops/sample.js";
import { Tensor } from "../../src/engine/tensor.js";
import { loadAddon } from "../../src/native/load.js";
import { numbers } from "./check.js";
import { head, randomHead } from "./logprob-reference.js";

/** Hashes, for both types, of everything the log-prob ops give at a size that fits no vector, and of where one NaN logit leads. */
async function digest(): Promise<string> {
  const hashes: string[] = [];
  const [rows, cols, vocab, vocabSize] = [61, 35, 1130, 1101];
  for (const dtype of ["f32", "bf16"] as const) {
    const hash = createHash("sha256");
    const { w } = randomHead(vocab, cols, dtype, 3, 0.5);
    const g = new Graph({ grad: true });
    const h = g.own(Tensor.from(numbers(rows * cols, 5), [rows, cols], dtype));
    const counters = Uint32Array.from({ length: 4 * rows }, (_, i) => i);
    for (const limits of [{}, { topK: 30, topP: 0.9, minP: 0.01 }]) {
      const common = {
        topK: 0,
        topP: 1,
        minP: 0,
        key: [1, 2] as const,
        temperature: 0.8,
        vocabSize,
        counters,
        ...limits,
      };
      const drawn = sampleTokens(h, w, common);
      hash.update(drawn.ids).update(drawn.logprob).update(drawn.entropy);
    }
    const { logp, entropy } = linearLogprob(g, h, w, {
      rows: Int32Array.from({ length: rows }, (_, r) => r),
      ids: Int32Array.from({ length: rows }, (_, r) => (r * 379) % vocab),
      temperature: 0.8,
      vocabSize,
    });
    hash.update(logp.read()).update(entropy.read());
    g.seed(logp, Tensor.from(numbers(rows, 7), [rows]));
    g.seed(entropy, Tensor.from(numbers(rows, 9), [rows]));
    await g.backward();
    const dh = g.takeGradient(h)!;
    hash.update(dh.read()).update(w.grad!.read());
    dh.dispose();
    g.dispose();
    w.dispose();
    hash.update(await spreadOfNaN(dtype));
    hashes.push(hash.digest("hex"));
  }
  return hashes.join(" ");
}

/** What sampling, log-probs and gradients make of a row whose logits hold one NaN: its place is kept, its sign and payload not. */
async function spreadOfNaN(dtype: "f32" | "bf16"): Promise<Uint8Array> {
  const [cols, vocabSize] = [6, 40];
  const weights = numbers(vocabSize * cols, 3);
  weights[5 * cols] = Number.NaN;
  const { w } = head(weights, vocabSize, cols, dtype);
  const g = new Graph({ grad: true });
  const h = g.own(Tensor.from(numbers(2 * cols, 5), [2, cols], dtype));
  const counters = Uint32Array.from({ length: 8 }, (_, i) => i);
  const options = { temperature: 0.8, vocabSize };
  const drawn = sampleTokens(h, w, { ...options, topK: 0, topP: 1, minP: 0, key: [1, 2], counters });
  const { logp, entropy } = linearLogprob(g, h, w, { ...options, rows: Int32Array.of(0, 1), ids: Int32Array.of(3, 5) });
  const forward = [drawn.logprob, drawn.entropy, logp.toArray(), entropy.toArray()];
  g.seed(logp, Tensor.from([1, 1], [2]));
  await g.backward();
  const dh = g.takeGradient(h)!;
  const all = [...forward, dh.toArray(), w.grad!.toArray()];
  assert.ok(all.slice(2, 5).every((array) => array.every(Number.isNaN)));
  dh.dispose();
  g.dispose();
  w.dispose();
  const places = all.flatMap((array) => Array.from(array, (value) => Number(Number.isNaN(value))));
  return Uint8Array.from([...drawn.ids, ...places]);
}

if (process.env.LOGPROB_DIGEST === "1") {
  console.log(`digest ${loadAddon().engineInfo().isa} ${await digest()}`);
} else {
  const onPath = (isa: string) => {
    const child = spawnSync(process.execPath, [fileURLToPath(import.meta.url)], {
      env: { ...process.env, GRPO_ISA: isa, LOGPROB_DIGEST: "1" },
      encoding: "utf8",
    });
    if (child.stderr.includes("this machine or this build does not have")) return null;
    const digests = new RegExp(`^digest ${isa} (\\w+) (\\w+)$`, "m").exec(child.stdout);
    assert.ok(digests, `${isa}: ${child.stdout.slice(-500)}${child.stderr}`);
    return { f32: digests[1], bf16: digests[2] };
  };
  const reference = onPath("scalar")!;
  for (const isa of ["avx2", "avx512", "avx512bf16", "amx", "neon"]) {
    const own = onPath(isa);
    test(`the log-prob ops give the same bits on ${isa} as in plain loops`, {
      skip: !own && `this machine does not run ${isa}`,
    }, () => {
      assert.equal(own!.f32, reference.f32);
      // AMX sums bf16 products in an order of its own.
      if (isa !== "amx") assert.equal(own!.bf16, reference.bf16);
    });
  }
}
