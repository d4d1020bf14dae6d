import assert from "node:assert/strict";
import { test } from "node:test";
import { setThreads } from "../../src/engine/engine-info.js";
import { advanceAverage, distance } from "../../src/engine/ops/blend.js";
import { Tensor } from "../../src/engine/tensor.js";
import { numbers } from "./check.js";

const decay = 0.999;
const steps = 3000;

/** An average of bf16 weights that starts at `start` and follows `towards`; its numbers afterwards. */
function average(start: Float64Array, towards: Float64Array, low: readonly Tensor[]): Float64Array {
  const slot = Tensor.from(start, [start.length], "bf16");
  const source = Tensor.from(towards, [towards.length], "bf16");
  for (let step = 1; step <= steps; step++) advanceAverage({ decay, every: 1 }, step, [slot], [source], low);
  const values = slot.toArray();
  for (const tensor of [slot, source, ...low]) tensor.dispose();
  return values;
}

test("an average of bf16 weights with decay 0.999 follows them to the last bit of bf16, as its formula says", () => {
  const [start, towards] = [numbers(101, 1), numbers(101, 2)].map(bf16);
  const got = average(start!, towards!, [Tensor.zeros("u8", [202])]);
  got.forEach((value, i) => {
    const want = towards![i]! + (start![i]! - towards![i]!) * decay ** steps;
    assert.ok(Math.abs(value - want) <= Math.abs(want) / 256 + 1e-4, `${i}: ${value}, not ${want}`);
  });
});

test("bf16 alone would lose nearly every step", () => {
  const [start, towards] = [numbers(101, 1), numbers(101, 2)].map(bf16);
  const got = average(start!, towards!, []);
  const still = got.filter((value, i) => Math.abs(value - start![i]!) < Math.abs(towards![i]! - start![i]!) / 2);
  assert.ok(still.length > 50, `${still.length} of 101 stand still`);
});

test("the low halves must be as many as the weights", () => {
  const [slot, source, low] = [Tensor.zeros("bf16", [4]), Tensor.zeros("bf16", [4]), Tensor.zeros("u8", [4])];
  assert.throws(
    () => advanceAverage({ decay, every: 1 }, 1, [slot], [source], [low]),
    /^RangeError: blend: low has 4 elements, expected 8$/,
  );
  for (const tensor of [slot, source, low]) tensor.dispose();
});

function bf16(values: Float64Array): Float64Array {
  const tensor = Tensor.from(values, [values.length], "bf16");
  const rounded = tensor.toArray();
  tensor.dispose();
  return rounded;
}

test("the distance of two lists of tensors is Euclid's, for each type and any number of threads", () => {
  const count = 70_001;
  for (const type of ["f32", "bf16", "f64"] as const) {
    const [a, b] = [1, 2].map((seed) => Tensor.from(numbers(count, seed), [count], type));
    const [short, zero] = [Tensor.from(Float64Array.of(3, 4), [2], type), Tensor.zeros(type, [2])];
    const [x, y] = [a!.toArray(), b!.toArray()];
    const want = Math.sqrt(x.reduce((sum, value, i) => sum + (value - y[i]!) ** 2, 25));
    const got = distance([a!, short], [b!, zero]);
    assert.ok(Math.abs(got - want) <= 1e-9 * want, `${type}: ${got}, not ${want}`);
    setThreads(1);
    assert.equal(distance([a!, short], [b!, zero]), got);
    setThreads(2);
    assert.equal(distance([a!], [a!]), 0);
    for (const tensor of [a!, b!, short, zero]) tensor.dispose();
  }
});
