import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseModelConfig } from "../../src/model/config.js";
import { ropeFrequencies, ropeTable } from "../../src/model/rope.js";
import { projectRoot } from "../shared.js";

interface Case {
  name: string;
  config: Record<string, unknown>;
  longest: number;
  frequencies: number[];
  scaling: number;
  last_cos: number[];
  last_sin: number[];
}

const { cases } = JSON.parse(readFileSync(join(projectRoot, "tests/golden/vectors/rope/rope.json"), "utf8")) as {
  cases: Case[];
};

for (const { name, config, longest, frequencies, scaling, last_cos, last_sin } of cases) {
  test(`rope ${name}: frequencies, attention factor and the table are those of transformers`, () => {
    const model = parseModelConfig(config, name);
    const got = ropeFrequencies(model, longest);
    assert.equal(got.frequencies.length, frequencies.length);
    for (const [i, want] of frequencies.entries()) {
      // transformers computes them in float32, through a power of the base.
      assert.ok(Math.abs(got.frequencies[i]! - want) <= 1e-6 * want, `${i}: ${got.frequencies[i]} is not ${want}`);
    }
    assert.ok(Math.abs(got.scaling - scaling) <= 1e-9 * scaling);
    const table = ropeTable(model, longest).subarray(-model.headDim);
    const half = model.headDim / 2;
    for (const [i, want] of [...last_cos, ...last_sin].entries()) {
      const angle = (longest - 1) * frequencies[i % half]!;
      assert.ok(Math.abs(table[i]! - want) <= 1e-6 * Math.max(1, angle), `table ${i}: ${table[i]} is not ${want}`);
    }
  });
}

test("rope in the older form of a config, `rope_theta` with `rope_scaling.type`, means the same", () => {
  for (const { config, longest } of cases) {
    const { rope_parameters, ...rest } = config;
    const { rope_theta, rope_type, ...scaling } = rope_parameters as Record<string, unknown>;
    const older = {
      ...rest,
      rope_theta,
      rope_scaling: rope_type === "default" ? null : { type: rope_type, ...scaling },
    };
    assert.deepEqual(
      ropeFrequencies(parseModelConfig(older, "older"), longest),
      ropeFrequencies(parseModelConfig(config, "newer"), longest),
    );
  }
});
