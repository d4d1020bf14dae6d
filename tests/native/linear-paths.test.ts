import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { loadAddon } from "../../src/native/load.js";
import { rounded, run, sizes } from "./linear-run.js";

/** Columns from which AMX makes float32 gradients of parts: kSplitWidth of native/cpp/kernels/blocks_amx.h. */
const splitWidth = 320;

/** Hashes of the results that are the same on every instruction set, and of those whose order of summation AMX has to itself. */
async function digest(): Promise<string> {
  const [common, blocks] = [createHash("sha256"), createHash("sha256")];
  for (const dtype of ["f32", "bf16"] as const) {
    for (const [rows, out, columns] of [
      ...sizes,
      [150, 1100, 70],
      [13, 40, 2603],
      [30, 100, 300],
      [60, 70, 3205],
    ] as const) {
      const r = await run({ dtype, rows, out, columns, bias: true, residual: true });
      (dtype === "bf16" ? blocks : common).update(new Uint8Array(r.y.buffer));
      for (const values of [r.dx, r.dw])
        (dtype === "bf16" || columns >= splitWidth ? blocks : common).update(new Uint8Array(values.buffer));
      common.update(new Uint8Array(r.dbias!.buffer));
    }
  }
  return `${common.digest("hex")} ${blocks.digest("hex")}`;
}

if (process.env.GRPO_LINEAR_DIGEST) {
  console.log(`digest ${await digest()}`);
} else {
  const onPath = (isa: string) => {
    const child = spawnSync(process.execPath, [fileURLToPath(import.meta.url)], {
      env: { ...process.env, GRPO_ISA: isa, GRPO_LINEAR_DIGEST: "1", NODE_TEST_CONTEXT: "" },
      encoding: "utf8",
    });
    if (child.stderr.includes("does not have")) return null;
    const digests = /^digest (\w+) (\w+)$/m.exec(child.stdout);
    assert.ok(digests, `${isa}: ${child.stdout.slice(-500)}${child.stderr}`);
    return { common: digests[1], blocks: digests[2] };
  };
  const reference = onPath("scalar")!;
  for (const isa of ["avx2", "avx512", "avx512bf16", "amx", "neon"]) {
    const own = onPath(isa);
    test(`${isa} gives the same bits as the plain loops`, { skip: !own && `this machine does not run ${isa}` }, () => {
      assert.equal(own!.common, reference.common);
      if (isa === "amx") assert.notEqual(own!.blocks, reference.blocks);
      else assert.equal(own!.blocks, reference.blocks);
    });
  }
}

/**
 * A product of two bf16 numbers plus a float32 of these magnitudes is exact in float64, so rounding once is a fused multiply-add: what a
 * block of at most 32 terms from `first` on adds to `sum` on AMX.
 */
function addBlock(sum: number, first: number, length: number, term: (i: number) => number): number {
  const halves = [0, 0];
  for (let i = first; i < Math.min(first + 32, length); i++) halves[i % 2] = Math.fround(halves[i % 2]! + term(i));
  return Math.fround(sum + Math.fround(halves[0]! + halves[1]!));
}

test("float32 gradients of wide layers on AMX add six products of parts, block by block, and err less than a chain", {
  skip: loadAddon().engineInfo().isa !== "amx" && "this machine does not run amx",
}, async () => {
  const word = new Float32Array(1);
  const bits = new Uint32Array(word.buffer);
  const parts = (values: Float64Array) => {
    const rest = Float64Array.from(values);
    return [0, 1, 2].map(() =>
      rest.map((value, i) => {
        word[0] = value;
        bits[0] = (bits[0]! + 0x8000) & 0xffff0000;
        rest[i] = value - word[0];
        return word[0];
      }),
    );
  };
  for (const [rows, out, columns] of [
    [1, 40, 320],
    [33, 70, 333],
    [290, 45, 352],
  ] as const) {
    const r = await run({ dtype: "f32", rows, out, columns });
    const [w, x, dy] = [r.weights, rounded(r.x, "f32"), rounded(r.dyIn, "f32")].map((values) => parts(values));
    const split = (length: number, a: Float64Array[], b: Float64Array[], at: (i: number) => [number, number]) => {
      let sum = 0;
      for (let first = 0; first < length; first += 32) {
        for (const [p, q] of [
          [0, 2],
          [1, 1],
          [0, 1],
          [2, 0],
          [1, 0],
          [0, 0],
        ] as const)
          sum = addBlock(sum, first, length, (i) => a[p]![at(i)[0]]! * b[q]![at(i)[1]]!);
      }
      return sum;
    };
    const errors = { split: 0, chain: 0 };
    const compare = (
      got: number,
      length: number,
      a: Float64Array[],
      b: Float64Array[],
      at: (i: number) => [number, number],
    ) => {
      assert.equal(got, split(length, a, b, at));
      let [exact, chain] = [0, 0];
      for (let i = 0; i < length; i++) {
        const [j, k] = at(i);
        const product = (a[0]![j]! + a[1]![j]! + a[2]![j]!) * (b[0]![k]! + b[1]![k]! + b[2]![k]!);
        exact += product;
        chain = Math.fround(chain + product);
      }
      errors.split += (got - exact) ** 2;
      errors.chain += (chain - exact) ** 2;
    };
    for (let m = 0; m < rows; m++)
      for (let k = 0; k < columns; k++)
        compare(r.dx[m * columns + k]!, out, w!, dy!, (n) => [n * columns + k, m * out + n]);
    for (let n = 0; n < out; n++)
      for (let k = 0; k < columns; k++)
        compare(r.dw[n * columns + k]!, rows, x!, dy!, (m) => [m * columns + k, m * out + n]);
    assert.ok(errors.split < errors.chain);
  }
});

test("bf16 products on AMX add blocks of 32, each the sum of an even and an odd chain", {
  skip: loadAddon().engineInfo().isa !== "amx" && "this machine does not run amx",
}, async () => {
  const chain = (length: number, term: (i: number) => number) => {
    let sum = 0;
    for (let first = 0; first < length; first += 32) sum = addBlock(sum, first, length, term);
    return sum;
  };
  for (const [rows, out, columns] of [...sizes, [17, 40, 64], [33, 1100, 70], [13, 40, 2603]] as const) {
    const r = await run({ dtype: "bf16", rows, out, columns });
    const [x, dy] = [rounded(r.x, "bf16"), rounded(r.dyIn, "bf16")];
    const [y, dx, dw] = [rows * out, rows * columns, out * columns].map((n) => new Float64Array(n));
    for (let m = 0; m < rows; m++) {
      for (let n = 0; n < out; n++)
        y![m * out + n] = chain(columns, (k) => x[m * columns + k]! * r.weights[n * columns + k]!);
      for (let k = 0; k < columns; k++)
        dx![m * columns + k] = chain(out, (n) => dy[m * out + n]! * r.weights[n * columns + k]!);
    }
    for (let n = 0; n < out; n++)
      for (let k = 0; k < columns; k++)
        dw![n * columns + k] = chain(rows, (m) => dy[m * out + n]! * x[m * columns + k]!);
    assert.deepEqual(r.y, rounded(y!, "bf16"));
    assert.deepEqual(r.dx, rounded(dx!, "bf16"));
    assert.deepEqual(r.dw, dw);
  }
});
