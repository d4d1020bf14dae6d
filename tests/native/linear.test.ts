import assert from "node:assert/strict";
import { test } from "node:test";
import { Graph } from "../../src/engine/graph.js";
import { addInPlace } from "../../src/engine/ops/add.js";
import { linear } from "../../src/engine/ops/linear.js";
import { packRows, panelsAddRows, unpackGradient, unpackRows } from "../../src/engine/ops/panels.js";
import { Parameter } from "../../src/engine/parameter.js";
import { Tensor } from "../../src/engine/tensor.js";
import { loadAddon } from "../../src/native/load.js";
import { numbers } from "./check.js";
import { matrix, rounded, run, sizes } from "./linear-run.js";

const addon = loadAddon();

for (const dtype of ["f64", "f32", "bf16"] as const) {
  test(`linear and its gradients agree with float64 sums in ${dtype}`, async () => {
    for (const [rows, out, columns] of sizes) {
      const r = await run({ dtype, rows, out, columns, bias: true, residual: true });
      const [x, dy, res] = [rounded(r.x, dtype), rounded(r.dyIn, dtype), rounded(r.residual, dtype)];
      const w = r.weights;
      const b = rounded(numbers(out, 5), dtype);
      // A chain of n operations in float32 errs by at most n units of 2^-24 of the sum of magnitudes; storing in bf16
      // adds 2^-8 of the result.
      const unit = dtype === "f64" ? 2 ** -53 : 2 ** -24;
      const store = dtype === "bf16" ? 2 ** -8 : unit;
      const check = (name: string, got: ArrayLike<number>, at: number, terms: number[], stored = store) => {
        const want = terms.reduce((s, v) => s + v, 0);
        const magnitude = terms.reduce((s, v) => s + Math.abs(v), 0);
        const bound = terms.length * unit * magnitude + stored * Math.abs(want) * (1 + 2 ** -6);
        assert.ok(
          Math.abs(got[at]! - want) <= bound,
          `${name}[${at}] of ${rows}x${out}x${columns}: got ${got[at]}, want ${want}, bound ${bound}`,
        );
      };
      const range = (n: number) => Array.from({ length: n }, (_, i) => i);
      for (let m = 0; m < rows; m++) {
        for (let n = 0; n < out; n++) {
          const products = range(columns).map((k) => x[m * columns + k]! * w[n * columns + k]!);
          check("y", r.y, m * out + n, [...products, b[n]!, res[m * out + n]!]);
        }
        for (let k = 0; k < columns; k++) {
          const products = range(out).map((n) => dy[m * out + n]! * w[n * columns + k]!);
          check("dx", r.dx, m * columns + k, products);
        }
      }
      for (let n = 0; n < out; n++) {
        for (let k = 0; k < columns; k++) {
          const products = range(rows).map((m) => dy[m * out + n]! * x[m * columns + k]!);
          check("dw", r.dw, n * columns + k, products, 0);
        }
        const terms = range(rows).map((m) => dy[m * out + n]!);
        check("dbias", r.dbias!, n, terms, 0);
      }
      assert.deepEqual(r.dresidual, dy);
      let padded = 0;
      for (let i = 0; i < r.padding.length; i++) {
        const n = Math.floor(i / (32 * columns)) * 32 + (i % 32);
        if (n >= out && r.padding[i] !== 0) padded++;
      }
      assert.equal(padded, 0, "columns beyond N keep a zero gradient");
    }
  });
}

test("linear's gradients agree with central differences in float64", async () => {
  const [rows, out, columns] = [3, 5, 4];
  const seed = numbers(rows * out, 9);
  const start = { x: numbers(rows * columns, 6), w: numbers(out * columns, 7), b: numbers(out, 8) };
  const loss = async (at: typeof start, gradients: boolean) => {
    const g = new Graph({ grad: gradients });
    const w = new Parameter("w", "panels", [out, columns], "f64", []);
    const bias = new Parameter("b", "vector", [out], "f64", []);
    packRows(w, 0, at.w);
    packRows(bias, 0, at.b);
    const x = Tensor.from(at.x, [rows, columns], "f64");
    const y = linear(g, x, w, { bias });
    const value = y.toArray().reduce((s, v, i) => s + v * seed[i]!, 0);
    if (!gradients) return { value };
    g.seed(y, Tensor.from(seed, [rows, out], "f64"));
    await g.backward();
    return {
      value,
      x: g.takeGradient(x)!.toArray(),
      w: unpackGradient(w).toArray(),
      b: bias.gradTensor().toArray(),
    };
  };
  const analytic = await loss(start, true);
  for (const key of ["x", "w", "b"] as const) {
    for (let i = 0; i < start[key].length; i++) {
      const shifted = async (h: number) => {
        const values = Float64Array.from(start[key]);
        values[i] = values[i]! + h;
        return (await loss({ ...start, [key]: values }, false)).value;
      };
      // The loss is linear in each number, so the difference quotient is exact up to rounding.
      const difference = ((await shifted(1e-3)) - (await shifted(-1e-3))) / 2e-3;
      assert.ok(Math.abs(difference - analytic[key]![i]!) < 1e-11, `d${key}[${i}]`);
    }
  }
});

for (const dtype of ["f32", "bf16"] as const) {
  test(`a row's result has the same bits alone, among 7 and among 2048 rows in ${dtype}`, async () => {
    for (const [out, columns] of [
      [96, 130],
      [71, 45],
      [71, 345],
    ] as const) {
      const whole = await run({ dtype, rows: 2048, out, columns, bias: true, residual: true });
      const head = await run({ dtype, rows: 7, out, columns, bias: true });
      const plain = await run({ dtype, rows: 2048, out, columns, bias: true });
      assert.deepEqual(plain.y.subarray(0, 7 * out), head.y);
      // Seeded numbers are a stream: the first rows of a longer tensor are those of a shorter one.
      assert.deepEqual(plain.dx.subarray(0, 7 * columns), head.dx);
      const single = await run({ dtype, rows: 7, out, columns, bias: true, cuts: [1, 2, 3, 4, 5, 6] });
      assert.deepEqual(single.y, head.y);
      assert.deepEqual(single.dx, head.dx);
      assert.notDeepEqual(whole.y.subarray(0, 7 * out), head.y);
    }
  });

  test(`weight and bias gradients have the same bits for any cut of the rows in ${dtype}`, async () => {
    for (const columns of [50, 333]) {
      const base = { dtype, rows: 1100, out: 67, columns, bias: true } as const;
      const whole = await run(base);
      for (const cuts of [[512], [1], [1, 2, 3], [101, 102, 999], [513, 1025]]) {
        for (const last of [false, true]) {
          const cut = await run({ ...base, cuts, last });
          assert.deepEqual(cut.dw, whole.dw, `cuts at ${cuts}`);
          assert.deepEqual(cut.dbias, whole.dbias, `cuts at ${cuts}`);
        }
      }
    }
  });

  test(`results have the same bits for 1, 2 and 3 threads in ${dtype}`, async () => {
    const before = addon.engineInfo().threads;
    try {
      for (const columns of [210, 345]) {
        const results = [];
        for (const threads of [1, 2, 3]) {
          addon.setThreads(threads);
          results.push(await run({ dtype, rows: 700, out: 200, columns, bias: true, residual: true }));
        }
        assert.deepEqual(results[1], results[0]);
        assert.deepEqual(results[2], results[0]);
      }
    } finally {
      addon.setThreads(before);
    }
  });
}

test("reductions longer than one block of a panel or of the input gradient keep their bits", async () => {
  for (const dtype of ["f32", "bf16"] as const) {
    for (const [out, columns] of [
      [2600, 40],
      [40, 2603],
      [90, 3205],
    ] as const) {
      const many = await run({ dtype, out, columns, rows: 530 });
      for (const rows of [1, 5, 13, 24, 30, 64]) {
        const few = await run({ dtype, out, columns, rows });
        assert.deepEqual(many.dx.subarray(0, rows * columns), few.dx);
        assert.deepEqual(many.y.subarray(0, rows * out), few.y);
      }
    }
  }
});

test("zero rows are allowed and change nothing", async () => {
  for (const dtype of ["f32", "bf16", "f64"] as const) {
    const r = await run({ dtype, rows: 0, out: 33, columns: 5, bias: true, residual: true });
    assert.ok(r.dw.every((v) => v === 0));
    assert.equal(r.y.length, 0);
  }
});

test("the input gradient adds to what is there and is rounded once", async () => {
  for (const dtype of ["f32", "bf16", "f64"] as const) {
    const g = new Graph({ grad: true });
    const w = matrix(dtype, 37, 19, 1);
    const x = Tensor.from(numbers(5 * 19, 2), [5, 19], dtype);
    const outputs = [linear(g, x, w), linear(g, x, w)];
    for (const y of outputs) g.seed(y, Tensor.from(numbers(5 * 37, 3), [5, 37], dtype));
    await g.backward();
    const twice = g.takeGradient(x)!.toArray();
    const once = await (async () => {
      const h = new Graph({ grad: true });
      const y = linear(h, x, w);
      h.seed(y, Tensor.from(numbers(5 * 37, 3), [5, 37], dtype));
      await h.backward();
      return h.takeGradient(x)!.toArray();
    })();
    const tolerance = dtype === "bf16" ? 2 ** -7 : 0;
    twice.forEach((v, i) => {
      assert.ok(Math.abs(v - 2 * once[i]!) <= tolerance * Math.abs(v) + (dtype === "bf16" ? 0 : 1e-15));
    });
  }
});

test("float32 logits of a bf16 model are the sums before rounding", () => {
  const g = new Graph({ grad: false });
  const w = matrix("bf16", 50, 21, 1);
  const x = Tensor.from(numbers(4 * 21, 2), [4, 21], "bf16");
  const wide = linear(g, x, w, { float32: true });
  assert.equal(wide.dtype, "f32");
  assert.deepEqual(rounded(wide.toArray(), "bf16"), linear(g, x, w).toArray());
  g.dispose();
});

test("rows survive packing and unpacking in every type and layout", () => {
  for (const dtype of ["f32", "bf16", "f64"] as const) {
    for (const [out, columns] of [
      [1, 1],
      [33, 7],
      [64, 65],
      [100, 2],
    ] as const) {
      const values = rounded(numbers(out * columns, 3), dtype);
      for (const layout of ["panels", "rows"] as const) {
        const p = new Parameter("w", layout, [out, columns], dtype, []);
        const middle = Math.floor(out / 2);
        packRows(p, 0, values.subarray(0, middle * columns));
        const rest = Tensor.from(values.subarray(middle * columns), [out - middle, columns], dtype);
        packRows(p, middle, rest);
        assert.deepEqual(unpackRows(p).toArray(), values);
        assert.deepEqual(unpackRows(p, middle, out - middle).toArray(), rest.toArray());
      }
    }
  }
});

test("panelsAddRows adds each row to the row of its id", () => {
  for (const dtype of ["f32", "f64"] as const) {
    const p = new Parameter("w", "panels", [70, 9], dtype, []);
    const data = numbers(4 * 9, 1);
    const ids = Int32Array.from([69, 0, 32, 69]);
    panelsAddRows(p.gradTensor(), p.shape, ids, Tensor.from(data, [4, 9], dtype));
    const got = unpackGradient(p).toArray();
    const held = rounded(data, dtype);
    const row = (i: number) => held.subarray(i * 9, i * 9 + 9);
    assert.deepEqual(got.subarray(0, 9), row(1));
    assert.deepEqual(got.subarray(32 * 9, 33 * 9), row(2));
    const sum = rounded(
      row(0).map((v, k) => v + row(3)[k]!),
      dtype,
    );
    assert.deepEqual(got.subarray(69 * 9), sum);
    assert.equal(got.filter((v) => v !== 0).length, 27);
  }
});

test("addInPlace rounds each sum once", () => {
  for (const dtype of ["f32", "bf16", "f64"] as const) {
    for (const count of [0, 1, 15, 17, 1000]) {
      const [a, b] = [rounded(numbers(count, 1), dtype), rounded(numbers(count, 2), dtype)];
      const target = Tensor.from(a, [count], dtype);
      addInPlace(target, Tensor.from(b, [count], dtype));
      const want = rounded(
        a.map((v, i) => v + b[i]!),
        dtype,
      );
      assert.deepEqual(target.toArray(), want);
    }
  }
});

test("sizes that do not fit are named", () => {
  const p = new Parameter("w", "panels", [4, 3], "f32", []);
  assert.throws(() => packRows(p, 3, new Float32Array(6)), {
    code: "GRPO_SHAPE",
    message: "panelsPack: rows 3 to 5 do not lie in 0 to 4",
  });
  const g = new Graph({ grad: false });
  assert.throws(() => linear(g, Tensor.zeros("bf16", [2, 3]), p), {
    code: "GRPO_SHAPE",
    message: "linearForward: w has 96 elements, expected 128",
  });
  assert.throws(() => addInPlace(Tensor.zeros("f32", [2]), Tensor.zeros("f32", [3])), {
    code: "GRPO_SHAPE",
    message: "addInPlace: source has 3 elements, expected 2",
  });
});
