import assert from "node:assert/strict";
import { test } from "node:test";
import { AdamW } from "../../src/engine/adamw.js";
import { checkpointed } from "../../src/engine/checkpoint.js";
import { Graph } from "../../src/engine/graph.js";
import { embedding } from "../../src/engine/ops/embedding.js";
import { linear } from "../../src/engine/ops/linear.js";
import { rmsNorm } from "../../src/engine/ops/rms-norm.js";
import { swiglu } from "../../src/engine/ops/swiglu.js";
import { Parameter } from "../../src/engine/parameter.js";
import { type FloatType, Tensor } from "../../src/engine/tensor.js";
import { loadAddon } from "../../src/native/load.js";
import { numbers } from "./check.js";

const [V, C, F] = [40, 12, 20];

/** A stack of two feed-forward layers with residuals on an embedding. */
class Net {
  readonly parameters: Parameter[] = [];
  readonly table: Parameter;
  readonly layers: { norm: Parameter; up: Parameter; down: Parameter }[];

  constructor(readonly dtype: FloatType) {
    this.table = this.#make("panels", [V, C]);
    this.layers = [0, 1].map(() => ({
      norm: this.#make("vector", [C]),
      up: this.#make("panels", [2 * F, C]),
      down: this.#make("panels", [C, F]),
    }));
  }

  #make(layout: "panels" | "vector", shape: number[]): Parameter {
    const p = new Parameter(`p${this.parameters.length}`, layout, shape, this.dtype, []);
    p.value.write(numbers(p.value.size, this.parameters.length).map((v) => 0.3 * v));
    this.parameters.push(p);
    return p;
  }

  async gradients(ids: Int32Array, checkpoint: boolean): Promise<unknown[]> {
    const g = new Graph({ grad: true });
    let x = embedding(g, ids, this.table);
    for (const { norm, up, down } of this.layers) {
      const layer = (g2: Graph, [input]: readonly Tensor[]) =>
        linear(g2, swiglu(g2, linear(g2, rmsNorm(g2, input!, norm, 1e-6), up)), down, { residual: input! });
      x = checkpoint ? await checkpointed(g, [x], layer) : layer(g, [x]);
    }
    const y = x.read();
    g.seed(x, Tensor.from(numbers(x.size, 99), x.shape, this.dtype));
    await g.backward();
    g.dispose();
    return [y, ...this.parameters.map((p) => p.grad?.read()), this.table.rowGrad!.data.read()];
  }

  clear(): void {
    for (const p of this.parameters) p.clearGrad();
  }
}

for (const dtype of ["f32", "bf16", "f64"] as const) {
  test(`a checkpointed stack in ${dtype} has the gradients of the plain one, bit for bit`, async () => {
    const net = new Net(dtype);
    const ids = Int32Array.of(3, 39, 0, 3, 17);
    const plain = await net.gradients(ids, false);
    net.clear();
    assert.deepEqual(await net.gradients(ids, true), plain);
    net.clear();
  });
}

test("a checkpoint continues the gradient that its input has from elsewhere", async () => {
  const net = new Net("bf16");
  const { norm } = net.layers[0]!;
  const run = async (checkpoint: boolean) => {
    const g = new Graph({ grad: true });
    const x = Tensor.from(numbers(C, 5), [1, C], "bf16");
    const twice = (g2: Graph, [input]: readonly Tensor[]) =>
      rmsNorm(
        g2,
        linear(g2, swiglu(g2, linear(g2, input!, net.layers[0]!.up)), net.layers[0]!.down, { residual: input! }),
        norm,
        1e-6,
      );
    const a = checkpoint ? await checkpointed(g, [x], twice) : twice(g, [x]);
    const b = rmsNorm(g, x, norm, 1e-6);
    g.seed(a, Tensor.from(numbers(C, 6), [1, C], "bf16"));
    g.seed(b, Tensor.from(numbers(C, 7), [1, C], "bf16"));
    await g.backward();
    const dx = g.takeGradient(x)!;
    const bits = dx.read();
    for (const t of [x, dx]) t.dispose();
    g.dispose();
    return bits;
  };
  assert.deepEqual(await run(true), await run(false));
});

test("a checkpoint holds one tensor where the plain layer holds its activations", async () => {
  const net = new Net("f32");
  const live = async (checkpoint: boolean) => {
    const g = new Graph({ grad: true });
    const x = embedding(g, Int32Array.of(1, 2), net.table);
    const layer = (g2: Graph, [input]: readonly Tensor[]) =>
      swiglu(g2, linear(g2, rmsNorm(g2, input!, net.layers[0]!.norm, 1e-6), net.layers[0]!.up));
    const before = loadAddon().memoryStats().liveTensors;
    await (checkpoint ? checkpointed(g, [x], layer) : layer(g, [x]));
    const held = loadAddon().memoryStats().liveTensors - before;
    g.dispose();
    return held;
  };
  assert.equal(await live(true), 1);
  assert.equal(await live(false), 4);
});

test("200 training steps leave no tensor behind", async () => {
  const net = new Net("bf16");
  const adamw = new AdamW(net.parameters, { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, moments: "int8" });
  const before = loadAddon().memoryStats();
  for (let step = 0; step < 200; step++) {
    await net.gradients(Int32Array.of(step % V, 5, (7 * step) % V), step % 2 === 0);
    assert.equal(adamw.step({ learningRate: 1e-3, maxGradNorm: 1 }).skipped, false);
    net.clear();
  }
  const after = loadAddon().memoryStats();
  assert.equal(after.liveTensors, before.liveTensors);
  assert.equal(after.liveBytes, before.liveBytes);
});
