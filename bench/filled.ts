import { type FloatType, Tensor } from "../src/engine/tensor.js";

/** Small numbers that are no powers of two; their values do not change the time. */
export function filled(dtype: FloatType, shape: number[]): Tensor {
  const tensor = Tensor.zeros(dtype, shape);
  const block = Float32Array.from(
    { length: Math.min(tensor.size, 1 << 16) },
    (_, i) => ((i * 7919) % 1009) / 1e5 - 0.005,
  );
  for (let at = 0; at < tensor.size; at += block.length) tensor.write(block.subarray(0, tensor.size - at), at);
  return tensor;
}
