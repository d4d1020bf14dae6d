import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Graph } from "../../src/engine/graph.js";
import { createKvStore, disposeKvStore } from "../../src/engine/kv-store.js";
import { treeAttention } from "../../src/engine/ops/tree-attention.js";
import { Tensor } from "../../src/engine/tensor.js";
import { loadAddon } from "../../src/native/load.js";
import { pick, type Result, run, tree, widthOf } from "./attention-run.js";
import { noise, planOf } from "./attention-trees.js";

const threadsAtStart = loadAddon().engineInfo().threads;
after(() => loadAddon().setThreads(threadsAtStart));

for (const dtype of ["f32", "bf16"] as const) {
  for (const s of [
    { heads: 6, kvHeads: 2, headDim: 64 },
    { heads: 3, kvHeads: 1, headDim: 20 },
  ]) {
    const width = s.heads * s.headDim;
    const label = `${dtype}, ${s.heads} heads of ${s.headDim}`;

    test(`a path alone has the bits it has in a tree (${label})`, async () => {
      const made = planOf(tree, 3);
      const qkv = noise(made.plan.rows * widthOf(s));
      const inTree = await run(made, qkv, s, dtype);
      for (const segment of tree.keys()) {
        const path = made.paths[made.plan.table.lastIndexOf(segment)]!;
        const alone = planOf([{ parent: -1, at: 0, length: path.length }]);
        const got = await run(alone, pick(qkv, path, widthOf(s)), s, dtype);
        assert.deepEqual(got.out, pick(inTree.out, path, width), `segment ${segment}`);
      }
    });

    test(`a path split at any token and branched at any offset has the bits of the whole path (${label})`, async () => {
      const length = 150;
      const whole = planOf([{ parent: -1, at: 0, length }]);
      const qkv = noise(whole.plan.rows * widthOf(s));
      const want = await run(whole, qkv, s, dtype);
      for (let cut = 1; cut < length; cut += 11) {
        const middle = Math.ceil((cut + length) / 2);
        const made = planOf([
          { parent: -1, at: 0, length: cut },
          { parent: 0, at: cut, length: middle - cut },
          { parent: 1, at: middle - cut, length: length - middle },
        ]);
        const got = await run(made, qkv, s, dtype);
        assert.deepEqual(got.bits, want.bits, `cut at ${cut} and ${middle}`);
        const branched = planOf([
          { parent: -1, at: 0, length },
          { parent: 0, at: cut, length: length - cut },
        ]);
        const rows = [...Array(length).keys(), ...Array.from({ length: length - cut }, (_, i) => cut + i)];
        const both = await run(branched, pick(qkv, rows, widthOf(s)), s, dtype);
        assert.deepEqual(both.out, pick(want.out, rows, width), `branch at ${cut}`);
      }
    });

    test(`decoding one by one and in a group gives the bits of the packed tree (${label})`, async () => {
      const prefix = 75;
      const group = 5;
      const steps = 60;
      const made = planOf([
        { parent: -1, at: 0, length: prefix },
        ...Array.from({ length: group }, () => ({ parent: 0, at: prefix, length: steps })),
      ]);
      const qkv = noise(made.plan.rows * widthOf(s));
      const want = await run(made, qkv, s, dtype);
      const g = new Graph({ grad: false });
      for (const together of [false, true]) {
        const kv = createKvStore(made.blockCount, s.kvHeads, s.headDim, dtype);
        for (const pool of [kv.k, kv.v]) pool.write(new Float64Array(pool.size).fill(Number.NaN));
        const part = (rows: number[], copies: Int32Array) => {
          const at = (a: Int32Array) => Int32Array.from(rows, (r) => a[r]!);
          const { position, table, writeBlock } = made.plan;
          const plan = {
            ...made.plan,
            rows: rows.length,
            position: at(position),
            table: at(table),
            writeBlock: at(writeBlock),
            copies,
          };
          const x = g.own(Tensor.from(pick(qkv, rows, widthOf(s)), [rows.length, widthOf(s)], dtype));
          const y = treeAttention(g, x, { plan, kv, ...s, scale: s.headDim ** -0.5 });
          assert.deepEqual(y.toArray(), pick(want.out, rows, width), `rows ${rows}`);
        };
        part([...Array(prefix).keys()], made.plan.copies);
        for (let t = 0; t < steps; t++) {
          const rows = Array.from({ length: group }, (_, i) => prefix + i * steps + t);
          if (together) part(rows, new Int32Array(0));
          else for (const row of rows) part([row], new Int32Array(0));
        }
        disposeKvStore(kv);
      }
      g.dispose();
    });

    test(`output and gradient have the same bits for 1, 2 and 3 threads and for a later call (${label})`, async () => {
      const made = planOf([{ parent: -1, at: 0, length: 300 }, ...tree.slice(1).map((x) => ({ ...x }))], 1);
      const qkv = noise(made.plan.rows * widthOf(s));
      const dout = noise(made.plan.rows * width, 2);
      const results: Result[] = [];
      for (const threads of [1, 2, 3]) {
        loadAddon().setThreads(threads);
        results.push(await run(made, qkv, s, dtype, dout));
      }
      for (const result of results) assert.deepEqual(result, results[0]);
    });
  }
}
