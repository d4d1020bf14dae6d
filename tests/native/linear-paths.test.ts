import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { loadAddon } from "../../src/native/load.js";
import { rounded, run, sizes } from "./linear-run.js";

/** Hashes of all results, and of the bf16 ones whose order of summation AMX has to itself apart from them. */
async function digest(): Promise<string> {
  const [common, pairs] = [createHash("sha256"), createHash("sha256")];
  for (const dtype of ["f32", "bf16"] as const) {
    for (const [rows, out, columns] of [
      ...sizes,
      [150, 1100, 70],
      [13, 40, 2603],
      [30, 100, 300],
      [60, 70, 3205],
    ] as const) {
      const r = await run({ dtype, rows, out, columns, bias: true, residual: true });
      for (const values of [r.y, r.dx, r.dw]) (dtype === "bf16" ? pairs : common).update(new Uint8Array(values.buffer));
      common.update(new Uint8Array(r.dbias!.buffer));
    }
  }
  return `${common.digest("hex")} ${pairs.digest("hex")}`;
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
    return { common: digests[1], pairs: digests[2] };
  };
  const reference = onPath("scalar")!;
  for (const isa of ["avx2", "avx512", "avx512bf16", "amx", "neon"]) {
    const own = onPath(isa);
    test(`${isa} gives the same bits as the plain loops`, { skip: !own && `this machine does not run ${isa}` }, () => {
      assert.equal(own!.common, reference.common);
      if (isa === "amx") assert.notEqual(own!.pairs, reference.pairs);
      else assert.equal(own!.pairs, reference.pairs);
    });
  }
}

test("bf16 products on AMX add blocks of 32, each the sum of an even and an odd chain", {
  skip: loadAddon().engineInfo().isa !== "amx" && "this machine does not run amx",
}, async () => {
  // A product of two bf16 numbers of these magnitudes plus a float32 is exact in float64, so rounding once is a fused multiply-add.
  const chain = (length: number, term: (i: number) => number) => {
    let sum = 0;
    for (let first = 0; first < length; first += 32) {
      const halves = [0, 0];
      for (let i = first; i < Math.min(first + 32, length); i++) halves[i % 2] = Math.fround(halves[i % 2]! + term(i));
      sum = Math.fround(sum + Math.fround(halves[0]! + halves[1]!));
    }
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
