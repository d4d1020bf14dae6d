import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryStats } from "../../src/engine/engine-info.js";
import { Parameter } from "../../src/engine/parameter.js";

test("a reset gradient is null, then zeros in the memory it had; a cleared one gives its memory back", () => {
  const parameter = new Parameter("p", "panels", [40, 3], "f32", []);
  const before = memoryStats().liveTensors;
  const gradient = parameter.gradTensor();
  assert.equal(gradient.size, 64 * 3);
  gradient.write(new Float32Array(gradient.size).fill(2));
  parameter.resetGrad();
  parameter.resetGrad();
  assert.equal(parameter.grad, null);
  assert.equal(parameter.gradTensor(), gradient);
  assert.deepEqual(gradient.toArray(), new Float64Array(gradient.size));
  gradient.write([1]);
  assert.equal(parameter.gradTensor().toArray()[0], 1);
  parameter.resetGrad();
  parameter.clearGrad();
  assert.equal(memoryStats().liveTensors, before);
  assert.deepEqual(parameter.gradTensor().toArray(), new Float64Array(gradient.size));
  parameter.dispose();
  assert.equal(memoryStats().liveTensors, before - 1);
});
