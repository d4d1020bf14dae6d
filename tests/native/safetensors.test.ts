import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { memoryStats } from "../../src/engine/engine-info.js";
import { GrpoError } from "../../src/errors.js";
import { loadDecoder } from "../../src/model/weights.js";
import { writeWordModel } from "../model-folder.js";

const folder = mkdtempSync(join(tmpdir(), "grpo-safetensors-"));
const file = join(folder, "model.safetensors");
const intact = join(folder, "intact");
before(async () => {
  await writeWordModel(folder, { hidden_size: 16, intermediate_size: 24, num_hidden_layers: 1 });
  copyFileSync(file, intact);
});
after(() => rmSync(folder, { recursive: true, force: true }));

// biome-ignore lint/suspicious/noExplicitAny: a header with anything in it
const header = (change: (header: any) => void) => (bytes: Buffer) => {
  const length = Number(bytes.readBigUInt64LE(0));
  const value = JSON.parse(bytes.subarray(8, 8 + length).toString("utf8"));
  change(value);
  const text = Buffer.from(JSON.stringify(value));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([size, text, bytes.subarray(8 + length)]);
};
const length = (value: bigint) => (bytes: Buffer) => {
  const copy = Buffer.from(bytes);
  copy.writeBigUInt64LE(value);
  return copy;
};
const [embed, head] = ["model.embed_tokens.weight", "lm_head.weight"];
const bad = {
  "cut in the data": [
    (b: Buffer) => b.subarray(0, b.length - 100),
    /has offsets \[\d+,\d+\], but the data is \d+ bytes long/,
  ],
  "cut in the header": [(b: Buffer) => b.subarray(0, 100), /the header says it is \d+ bytes long, the file has 100/],
  "cut to nothing": [() => Buffer.alloc(0), /0 bytes are too few for a header|empty/],
  "of five bytes": [() => Buffer.alloc(5), /5 bytes are too few for a header/],
  "with a huge header": [length(2n ** 63n), /the header says it is \d+ bytes long/],
  "with the longest header": [length(2n ** 64n - 1n), /the header says it is \d+ bytes long/],
  "with no JSON": [length(16n), /the header is no JSON: /],
  "with a list": [
    () => Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]), Buffer.from("[]")]),
    /the header is no JSON object/,
  ],
  "with negative offsets": [
    header((h) => {
      h[embed].data_offsets = [-1024, 0];
    }),
    /"model\.embed_tokens\.weight" has offsets \[-1024,0\]/,
  ],
  "with reversed offsets": [
    header((h) => {
      h[embed].data_offsets.reverse();
    }),
    /"model\.embed_tokens\.weight" has offsets/,
  ],
  "with huge offsets": [
    header((h) => {
      h[embed].data_offsets = [2 ** 52, 2 ** 52 + 1024];
    }),
    /"model\.embed_tokens\.weight" has offsets/,
  ],
  "with fractions": [
    header((h) => {
      h[embed].data_offsets = [0.5, 1024.5];
    }),
    /"model\.embed_tokens\.weight" has offsets/,
  ],
  "that overlap": [
    header((h) => {
      h[head].data_offsets = h[embed].data_offsets;
    }),
    /tensors ".*" and ".*" overlap/,
  ],
  "with a huge shape": [
    header((h) => {
      h[embed].shape = [2 ** 40, 2 ** 40];
    }),
    /of shape \[1099511627776,1099511627776\] F32 needs/,
  ],
  "with a negative shape": [
    header((h) => {
      h[embed].shape = [-16, -16];
    }),
    /"model\.embed_tokens\.weight" has shape \[-16,-16\]/,
  ],
  "with a shape too small": [
    header((h) => {
      h[embed].shape = [15, 16];
    }),
    /needs 960 bytes, its offsets span 1024/,
  ],
  "of an unknown type": [
    header((h) => {
      h[embed].dtype = "F8_E4M3";
    }),
    /model\.safetensors: tensor "model\.embed_tokens\.weight" has element type F8_E4M3$/,
  ],
  "without a tensor": [
    header((h) => {
      delete h[embed];
    }),
    /weights do not fit config\.json: missing model\.embed_tokens\.weight$/,
  ],
  "with a tensor more": [
    header((h) => {
      h.extra = { dtype: "F32", shape: [0], data_offsets: [0, 0] };
    }),
    /not used by this architecture: extra$/,
  ],
  "that is null": [
    header((h) => {
      h[embed] = null;
    }),
    /tensor "model\.embed_tokens\.weight" has no dtype/,
  ],
} satisfies Record<string, [(bytes: Buffer) => Buffer, RegExp]>;

for (const [what, [change, message]] of Object.entries(bad)) {
  test(`weights ${what} are refused: exit code 4, the file's name, and no tensor left`, async () => {
    writeFileSync(file, change(readFileSync(intact)));
    const { liveTensors } = memoryStats();
    await assert.rejects(loadDecoder(folder, "f32", 64), (error) => {
      assert.ok(error instanceof GrpoError, String(error));
      assert.equal(error.exitCode, 4);
      assert.match(error.message, message);
      assert.ok(error.fix !== undefined);
      return true;
    });
    assert.equal(memoryStats().liveTensors, liveTensors);
  });
}
