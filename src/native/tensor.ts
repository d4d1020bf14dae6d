type TypedArray = Float32Array | Float64Array | Int32Array | Uint8Array | Uint16Array | Uint32Array;

/** native/cpp/binding/tensor.cpp and addon.cpp */
export interface TensorAddon {
  setThreads(threads: number): void;
  engineInfo(): { isa: string; threads: number };
  tensorCreate(dtype: number, numel: number, zero: boolean): number;
  tensorDispose(handle: number): boolean;
  tensorWrite(handle: number, offset: number, array: TypedArray): void;
  tensorRead(handle: number, offset: number, array: TypedArray): void;
  tensorZero(handle: number): void;
  memoryStats(): {
    liveTensors: number;
    liveBytes: number;
    peakBytes: number;
    cachedBytes: number;
    scratchBytes: number;
  };
  resetPeak(): void;
  trimMemory(): void;
  /** native/cpp/binding/mapped_file.cpp */
  mapFile(path: string): ArrayBuffer;
  /** native/cpp/binding/blend.cpp */
  blend(target: number, source: number, weight: number, low: number | null): void;
  squareDistance(a: number, b: number): number;
  tensorCopy(target: number, targetOffset: number, source: number, sourceOffset: number, count: number): void;
  /** native/cpp/binding/fill_normal.cpp */
  fillNormal(handle: number, standardDeviation: number, key0: number, key1: number): void;
}
