import assert from "node:assert/strict";
import { test } from "node:test";
import { Graph } from "../../src/engine/graph.js";
import { embedding } from "../../src/engine/ops/embedding.js";
import { gatherRows } from "../../src/engine/ops/gather-rows.js";
import { PANEL, Parameter } from "../../src/engine/parameter.js";
import { encodeBf16, type FloatType, Tensor } from "../../src/engine/tensor.js";
import { loadAddon } from "../../src/native/load.js";
import { numbers, parameter, runOp } from "./check.js";

/** The storage index of element (row, k) of a table. */
function place(p: Parameter, row: number, k: number): number {
  const cols = p.shape[1]!;
  if (p.layout === "rows") return row * cols + k;
  const [panel, lane] = [Math.floor(row / PANEL), row % PANEL];
  if (p.dtype !== "bf16") return (panel * cols + k) * PANEL + lane;
  const pairs = Math.ceil(cols / 2);
  return ((panel * pairs + Math.floor(k / 2)) * PANEL + lane) * 2 + (k % 2);
}

for (const dtype of ["f32", "bf16", "f64"] as FloatType[]) {
  for (const layout of ["panels", "rows"] as const) {
    test(`embedding reads rows of ${layout} in ${dtype} bit for bit`, async () => {
      for (const [rows, cols] of [
        [70, 9],
        [1, 1],
        [33, 64],
      ] as const) {
        const table = new Parameter("table", layout, [rows, cols], dtype, []);
        const values = numbers(rows * cols, 1);
        const stored = new Float64Array(table.value.size);
        for (let r = 0; r < rows; r++)
          for (let k = 0; k < cols; k++) stored[place(table, r, k)] = values[r * cols + k]!;
        table.value.write(stored);
        const ids = Int32Array.from([rows - 1, 0, rows >> 1, rows - 1]);
        const g = new Graph({ grad: false });
        const want = Array.from(ids, (id) => Array.from(values.subarray(id * cols, (id + 1) * cols))).flat();
        const exact = Tensor.from(want, [want.length], dtype);
        assert.deepEqual(embedding(g, ids, table).toArray(), exact.toArray());
        exact.dispose();
        g.dispose();
        table.dispose();
      }
    });
  }
}

test("embedding's gradient has one slot per id in order of first appearance, and no bit depends on the cut", async () => {
  const [rows, cols] = [100, 131];
  const ids = Int32Array.from(numbers(400, 2), (v) => Math.floor((v + 1) * 45));
  const dy = numbers(ids.length * cols, 3);
  const run = async (cuts: number[], threads: number) => {
    loadAddon().setThreads(threads);
    const table = parameter(new Float64Array(rows * cols), "f32", "rows", [rows, cols]);
    let start = 0;
    for (const end of cuts) {
      const g = new Graph({ grad: true });
      const y = embedding(g, ids.subarray(start, end), table);
      g.seed(y, Tensor.from(dy.subarray(start * cols, end * cols), y.shape));
      await g.backward();
      g.dispose();
      start = end;
    }
    const grad = table.rowGrad!;
    const out = { ids: grad.ids(), sums: grad.data.read(0, grad.slots.size * cols) };
    table.dispose();
    return out;
  };
  const whole = await run([ids.length], 1);
  assert.deepEqual(whole.ids, Int32Array.from(new Set(ids)));
  const sums = new Float32Array(whole.sums.length);
  ids.forEach((id, m) => {
    const slot = whole.ids.indexOf(id);
    for (let c = 0; c < cols; c++) sums[slot * cols + c]! += Math.fround(dy[m * cols + c]!);
  });
  assert.deepEqual(whole.sums, sums);
  assert.deepEqual(await run([1, 2, 201, ids.length], 1), whole);
  assert.deepEqual(await run([ids.length], 2), whole);
  assert.deepEqual(await run([77, ids.length], 3), whole);
  loadAddon().setThreads(2);
});

test("embedding refuses an id beyond the table", () => {
  const table = parameter(new Float64Array(12), "f32", "rows", [4, 3]);
  const g = new Graph({ grad: false });
  assert.throws(() => embedding(g, Int32Array.of(0, 4), table), {
    name: "RangeError",
    code: "GRPO_SHAPE",
    message: "embedding: ids[1] is 4, expected less than 4",
  });
  g.dispose();
});

test("gatherRows copies rows, scatters their gradient and leaves the others at zero", async () => {
  const [rows, cols] = [6, 5];
  for (const dtype of ["f32", "bf16", "f64"] as const) {
    const x = Tensor.from(numbers(rows * cols, 4), [rows, cols], dtype);
    const picked = Int32Array.of(4, 0, 5);
    const dy = numbers(picked.length * cols, 5);
    const { y, dx } = await runOp(x, dy, (g, t) => gatherRows(g, t, picked));
    const raw = Array.from(x.read());
    assert.deepEqual(Array.from(y), Array.from(picked, (r) => raw.slice(r * cols, (r + 1) * cols)).flat());
    const seed = Tensor.from(dy, [dy.length], dtype).read();
    const want = new Array<number>(rows * cols).fill(0);
    picked.forEach((r, i) => {
      for (let c = 0; c < cols; c++) want[r * cols + c] = seed[i * cols + c]!;
    });
    assert.deepEqual(Array.from(dx), want);
  }
});

test("gatherRows adds to a gradient that is there, rounded once", async () => {
  const g = new Graph({ grad: true });
  const x = Tensor.from([1, 2, 3, 4], [2, 2], "bf16");
  const y = gatherRows(g, x, Int32Array.of(1));
  g.seed(x, Tensor.from([1, 1, 1, 1], [2, 2], "bf16"));
  g.seed(y, Tensor.from([0.00390625, 0.5], [1, 2], "bf16"));
  await g.backward();
  assert.deepEqual(g.takeGradient(x)!.read(), encodeBf16([1, 1, 1.00390625, 1.5]));
  g.dispose();
});

test("gatherRows of no rows gives no rows and a zero gradient", async () => {
  const x = Tensor.from(numbers(6, 4), [2, 3]);
  const { y, dx } = await runOp(x, [], (g, t) => gatherRows(g, t, new Int32Array()));
  assert.equal(y.length, 0);
  assert.deepEqual(dx, new Float32Array(6));
});
