import { loadAddon } from "../native/load.js";

/** Element types of native tensors. `f64` exists on the scalar reference path only. */
export type DType = "f32" | "bf16" | "f64" | "i32" | "u8";

/** dtype codes of native/cpp/core/dtype.h. */
const codes: Record<DType, number> = { f32: 0, bf16: 1, f64: 2, i32: 3, u8: 4 };

/** Types that activations and weights may have. */
export type FloatType = "f32" | "bf16" | "f64";

/** float64 stays float64 in gradients and norms; everything else accumulates in float32. */
export function accumulatorType(dtype: DType): "f32" | "f64" {
  return dtype === "f64" ? "f64" : "f32";
}

/**
 * A dense row-major array in native memory behind a handle. Its memory is freed by `dispose`, usually through the
 * {@link Graph} that owns it: native memory does not wait for the garbage collector.
 */
export class Tensor {
  /** Native handle; ops pass it to the addon. */
  readonly handle: number;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly size: number;

  constructor(dtype: DType, shape: readonly number[], zero = false) {
    this.dtype = dtype;
    this.shape = shape;
    let size = 1;
    for (const n of shape) size *= n;
    this.size = size;
    this.handle = loadAddon().tensorCreate(codes[dtype], size, zero);
  }

  static zeros(dtype: DType, shape: readonly number[]): Tensor {
    return new Tensor(dtype, shape, true);
  }

  /** A tensor with the numbers of `values`, converted to `dtype` (bf16 rounds to nearest even). */
  static from(values: ArrayLike<number>, shape: readonly number[], dtype: DType = "f32"): Tensor {
    const tensor = new Tensor(dtype, shape);
    if (values.length !== tensor.size) {
      const message = `Tensor.from: ${values.length} values do not fill a shape of ${tensor.size} elements`;
      tensor.dispose();
      throw new RangeError(message);
    }
    tensor.write(values);
    return tensor;
  }

  /** Overwrites elements `offset`... with `values`, converted to the tensor's type. */
  write(values: ArrayLike<number>, offset = 0): void {
    loadAddon().tensorWrite(this.handle, offset, encode(values, this.dtype));
  }

  /** All elements, or `count` from `offset`, as numbers (exact for every type). */
  toArray(offset = 0, count = this.size - offset): Float64Array {
    return decode(this.read(offset, count), this.dtype);
  }

  /** Raw elements: bf16 as its 16 bits. */
  read(offset = 0, count = this.size - offset): Float32Array | Float64Array | Int32Array | Uint8Array | Uint16Array {
    const raw = rawArray(this.dtype, count);
    loadAddon().tensorRead(this.handle, offset, raw);
    return raw;
  }

  zero(): void {
    loadAddon().tensorZero(this.handle);
  }

  /** Frees the native memory. A second call does nothing. */
  dispose(): void {
    loadAddon().tensorDispose(this.handle);
  }
}

function rawArray(dtype: DType, count: number) {
  switch (dtype) {
    case "f32":
      return new Float32Array(count);
    case "f64":
      return new Float64Array(count);
    case "i32":
      return new Int32Array(count);
    case "u8":
      return new Uint8Array(count);
    case "bf16":
      return new Uint16Array(count);
  }
}

function encode(values: ArrayLike<number>, dtype: DType) {
  switch (dtype) {
    case "f32":
      return values instanceof Float32Array ? values : Float32Array.from(values);
    case "f64":
      return values instanceof Float64Array ? values : Float64Array.from(values);
    case "i32":
      return values instanceof Int32Array ? values : Int32Array.from(values);
    case "u8":
      return values instanceof Uint8Array ? values : Uint8Array.from(values);
    case "bf16":
      return encodeBf16(values);
  }
}

/** Bits of `values` in bfloat16, rounded to nearest even. */
export function encodeBf16(values: ArrayLike<number>): Uint16Array {
  const wide = new Uint32Array(Float32Array.from(values).buffer);
  const out = new Uint16Array(wide.length);
  for (let i = 0; i < wide.length; i++) {
    const u = wide[i]!;
    out[i] = (u & 0x7fffffff) > 0x7f800000 ? (u >>> 16) | 0x40 : (u + 0x7fff + ((u >>> 16) & 1)) >>> 16;
  }
  return out;
}

function decode(raw: ArrayLike<number>, dtype: DType): Float64Array {
  if (dtype !== "bf16") return Float64Array.from(raw);
  const wide = new Uint32Array(raw.length);
  for (let i = 0; i < raw.length; i++) wide[i] = raw[i]! << 16;
  return Float64Array.from(new Float32Array(wide.buffer));
}
