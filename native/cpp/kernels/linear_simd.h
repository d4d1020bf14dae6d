#pragma once
// The fast form of kernels/linear.h for f32 and bf16. Include from instruction-set files only, once each.
#include "core/threads.h"
#include "kernels/gemm_multiply_simd.h"
#include "kernels/gemm_pack_simd.h"
#include "kernels/linear.h"
#include "kernels/partial_simd.h"

namespace grpo {
namespace GRPO_ISA_NS {

// Multiply-adds below which other threads are not woken: a few microseconds of work.
constexpr std::size_t kAlone = 400000;

GRPO_INLINE std::size_t at_most(std::size_t a, std::size_t b) { return a < b ? a : b; }
GRPO_INLINE std::size_t cut(std::size_t total, std::size_t pieces, std::size_t i) { return total * i / pieces; }

// for_items(pool, work, items, f): on this thread alone when there is little work.
template <class F> static void for_items(ThreadPool& pool, std::size_t work, std::size_t items, F f) {
  if (work < kAlone) {
    for (std::size_t i = 0; i < items; ++i) f(i, 0);
  } else {
    parallel_for(pool, items, static_cast<F&&>(f));
  }
}

// Grows the scratch of every thread now, where running out of memory can still be reported.
static inline void reserve(ThreadPool& pool, std::size_t bytes) {
  for (int t = 0; t < pool.size(); ++t) pool.scratch(t, bytes);
}

// to[r][0..columns) = round(c[r] + bias + residual[r]), columns <= 32; bias and residual may be null.
template <class T, class Y>
static void store_tile(std::size_t rows, std::size_t columns, const float* c, const T* bias, const T* residual, Y* to,
                       std::size_t stride) {
  for (std::size_t j = 0; j < columns; j += 16) {
    const std::size_t n = columns - j;
    const v16 b = bias ? load_some(bias + j, n) : zero16();
    for (std::size_t r = 0; r < rows; ++r) {
      v16 value = load16(c + 32 * r + j);
      if (bias) value = add16(value, b);
      if (residual) value = add16(value, load_some(residual + r * stride + j, n));
      store_some(to + r * stride + j, value, n);
    }
  }
}

// Bytes of a stream that gains nothing by being longer.
constexpr std::size_t kLongRun = 16 << 20;

template <class T>
static void forward(ThreadPool& pool, std::size_t M, std::size_t N, std::size_t K, const T* x, const T* w, const T* bias,
                    const T* residual, void* y, bool float32) {
  if (M == 0) return;
  const std::size_t panels = (N + 31) / 32, panel_bytes = steps_of<T>(K) * kPanelBytes;
  const std::size_t tiles = tiles_of<T>(M), threads = static_cast<std::size_t>(pool.size());
  // A panel meets about 336 rows before the next one, on AMX as many of them as leave room in its L2; an item is a run of
  // panels, which the thread prefetches in turn. Few rows wait for memory, whose streams want to be long.
  const std::size_t near = kMostRows<T> > kTileRows ? (std::size_t{1} << 20) / (K * sizeof(T)) : 336;
  const std::size_t meets = near < 64 ? 64 : at_most(near, 336), blocks = (M + meets - 1) / meets;
  const std::size_t even = tiles <= kStreamTiles ? at_most(panels / (2 * threads), kLongRun / panel_bytes)
                                                 : at_most(panels * blocks / (8 * threads), 8);
  const std::size_t run = even < 1 ? 1 : even;
  const std::size_t runs = (panels + run - 1) / run;
  const Meeting meeting = meeting_of<T>((tiles + blocks - 1) / blocks, panel_bytes);
  const std::size_t together = at_most(run, tiles == 1 ? kStoreTogether : meeting.panels);
  const std::size_t most_rows = together * (tiles == 1 ? M : (tiles / blocks + 1) * kMostRows<T>);
  reserve(pool, most_rows * 32 * sizeof(float));
  for_items(pool, (M + 4) * N * K, blocks * runs, [&](std::size_t item, int thread) {
    const std::size_t t0 = cut(tiles, blocks, item / runs), t1 = cut(tiles, blocks, item / runs + 1);
    const std::size_t p0 = item % runs * run, p1 = at_most(p0 + run, panels);
    float* const sums = static_cast<float*>(pool.scratch(thread, most_rows * 32 * sizeof(float)));
    Registers registers;
    const auto store = [&](std::size_t p, std::size_t m0, std::size_t rows, const float* c) {
      const std::size_t columns = at_most(N - 32 * p, 32);
      const T* b = bias ? bias + 32 * p : nullptr;
      const T* r = residual ? residual + m0 * N + 32 * p : nullptr;
      if (float32) store_tile(rows, columns, c, b, r, static_cast<float*>(y) + m0 * N + 32 * p, N);
      else store_tile(rows, columns, c, b, r, static_cast<T*>(y) + m0 * N + 32 * p, N);
      // Where the next tile will be stored.
      const std::size_t size = float32 ? sizeof(float) : sizeof(T);
      for (std::size_t i = 0; tiles > kStreamTiles && i < rows; ++i)
        for (std::size_t byte = 0; byte < 32 * size; byte += 64)
          __builtin_prefetch(static_cast<const char*>(y) + ((m0 + rows + i) * N + 32 * p) * size + byte, 1, 3);
    };
    for (std::size_t p = p0; p < p1; p += together) {
      const char* panel = reinterpret_cast<const char*>(w) + p * panel_bytes;
      if (tiles == 1) {
        multiply_run(registers, M, K, x, panel, at_most(together, p1 - p), sums,
                     [&](std::size_t i, const float* c) { store(p + i, 0, M, c); });
        continue;
      }
      const std::size_t count = at_most(together, p1 - p);
      const char* after = reinterpret_cast<const char*>(w) + (p + count < p1 ? p + count : p0 + threads * run) * panel_bytes;
      // The tiles spread the fetching of what comes next among them.
      multiply_panels(registers, meeting, M, K, x, t0, t1, panel, count, t1 - t0 > 1 ? after : nullptr, sums,
                      [&](std::size_t i, std::size_t m0, std::size_t rows, const float* c) { store(p + i, m0, rows, c); });
    }
  });
}

// A few tiles of rows, which take about as long to multiply as memory takes to bring the weights: the panels of k of an item are one run
// of memory in every panel of W, the runs one stream, and the tiles fetch what lies ahead in it while they use the 32 columns n by 32
// columns k that were transposed last.
template <class T>
static void input_gradient_of_few(ThreadPool& pool, std::size_t M, std::size_t N, std::size_t K, const T* dy, const T* w, T* dx,
                                  bool accumulate) {
  constexpr std::size_t chunk = steps_of<T>(32) * kPanelBytes, near = 2048, far = 8192;
  const std::size_t panels = (K + 31) / 32, tiles = tiles_of<T>(M), items = at_most(panels, 2 * static_cast<std::size_t>(pool.size()));
  const std::size_t most = (32 + (panels + items - 1) / items * M) * 32 * sizeof(float), pitch = steps_of<T>(K) * kPanelBytes;
  reserve(pool, most);
  for_items(pool, (M + 4) * N * K, items, [&](std::size_t item, int thread) {
    const std::size_t p0 = cut(panels, items, item), p1 = cut(panels, items, item + 1), run = (p1 - p0) * chunk;
    const char* const begin = reinterpret_cast<const char*>(w) + p0 * chunk;
    float* const wt = static_cast<float*>(pool.scratch(thread, most));
    float* const sums = wt + 32 * 32;
    // What comes `distance` bytes later in the stream.
    const auto later = [&](const char* at, std::size_t distance) {
      const std::size_t position = static_cast<std::size_t>(at - begin), offset = position % pitch + distance;
      return begin + (position / pitch + offset / run) * pitch + offset % run;
    };
    Registers registers;
    for (std::size_t n = 0; n < N; n += 32) {
      const std::size_t columns = at_most(N - n, 32);
      for (std::size_t p = p0; p < p1; ++p) {
        transpose_panels(w, K, p, p + 1, n, n + columns, wt, 0, [&](const char* at, std::size_t lines) {
          const char* next = later(at, near);
          for (std::size_t line = 0; line < lines; ++line) __builtin_prefetch(next + 64 * line, 0, 3);
        });
        const char* ahead = later(begin + n / 32 * pitch + (p - p0) * chunk, far);
        for (std::size_t t = 0; t < tiles; ++t) {
          const std::size_t m0 = tile_start<T>(M, tiles, t), rows = tile_start<T>(M, tiles, t + 1) - m0;
          float* const c = sums + ((p - p0) * M + m0) * 32;
          multiply_rows<T>(registers, rows, columns, dy + m0 * N + n, N, wt, c, n > 0, share_ahead(ahead, steps_of<T>(32), t, tiles));
          if (n + 32 < N) continue;
          T* to = dx + m0 * K + 32 * p;
          store_tile<T, T>(rows, at_most(K - 32 * p, 32), c, nullptr, accumulate ? to : nullptr, to, K);
        }
      }
    }
  });
}

// Columns n whose transposed panel is held at a time, rows that use it, and the most panels of k that share a pass over dy.
template <class T> constexpr std::size_t kBlockN = kMostRows<T> > kTileRows ? 256 : 1024;
// Rows of input_gradient_of_few; it gains nothing where AMX multiplies.
template <class T> constexpr std::size_t kMostFewRows = kMostRows<T> > kTileRows ? 0 : 72;
constexpr std::size_t kBlockRows = 512, kBlockPanels = 4;

template <class T>
static void input_gradient(ThreadPool& pool, std::size_t M, std::size_t N, std::size_t K, const T* dy, const T* w, T* dx,
                           bool accumulate) {
  if (M == 0) return;
  if (M > kTileRows && M <= kMostFewRows<T>) return input_gradient_of_few(pool, M, N, K, dy, w, dx, accumulate);
  const std::size_t panels = (K + 31) / 32, tiles = tiles_of<T>(M), threads = static_cast<std::size_t>(pool.size());
  // One tile: the transposed block stays in L1 and is used at once.
  const std::size_t block_n = tiles == 1 ? 32 : kBlockN<T>;
  const std::size_t blocks = (M + kBlockRows - 1) / kBlockRows;
  // As many items for every thread.
  std::size_t groups = (panels + kBlockPanels - 1) / kBlockPanels;
  while (blocks * groups % threads != 0 && groups < panels) ++groups;
  const std::size_t group = (panels + groups - 1) / groups;
  const std::size_t block_rows = (tiles / blocks + 1) * kMostRows<T>;
  const std::size_t transposed = at_most((N + 31) / 32 * 32, block_n) * 32, sums = N > block_n ? block_rows * 32 : kMostRows<T> * 32;
  reserve(pool, (transposed + sums) * group * sizeof(float));
  for_items(pool, (M + 4) * N * K, blocks * groups, [&](std::size_t item, int thread) {
    const std::size_t t0 = cut(tiles, blocks, item % blocks), t1 = cut(tiles, blocks, item % blocks + 1);
    const std::size_t p0 = cut(panels, groups, item / blocks), p1 = cut(panels, groups, item / blocks + 1);
    float* const wt = static_cast<float*>(pool.scratch(thread, (transposed + sums) * group * sizeof(float)));
    float* const c = wt + transposed * group;
    const std::size_t first = tile_start<T>(M, tiles, t0);
    Registers registers;
    for (std::size_t n0 = 0; n0 < N; n0 += block_n) {
      const std::size_t n1 = at_most(n0 + block_n, N);
      transpose_panels(w, K, p0, p1, n0, n1, wt, transposed);
      for (std::size_t t = t0; t < t1; ++t) {
        const std::size_t m0 = tile_start<T>(M, tiles, t), rows = tile_start<T>(M, tiles, t + 1) - m0;
        for (std::size_t p = p0; p < p1; ++p) {
          // The chain pauses in float32 memory between blocks of n.
          float* tile = c + (p - p0) * sums + (N > block_n ? (m0 - first) * 32 : 0);
          multiply_rows<T>(registers, rows, n1 - n0, dy + m0 * N + n0, N, wt + (p - p0) * transposed, tile, n0 > 0, Ahead{});
          if (n1 < N) continue;
          T* to = dx + m0 * K + 32 * p;
          store_tile<T, T>(rows, at_most(K - 32 * p, 32), tile, nullptr, accumulate ? to : nullptr, to, K);
        }
      }
    }
  });
}

// About as many rows as a chain of the weight gradient takes between two visits of its stored value.
constexpr std::size_t kBlockM = 512;

template <class T>
static void weight_gradient(ThreadPool& pool, std::size_t M, std::size_t N, std::size_t K, const T* x, const T* dy, float* dw,
                            bool accumulate) {
  if (M == 0) {
    if (!accumulate) std::memset(dw, 0, (N + 31) / 32 * 32 * K * sizeof(float));
    return;
  }
  const std::size_t panels = (N + 31) / 32, strips = (K + kTileRows - 1) / kTileRows, threads = static_cast<std::size_t>(pool.size());
  const std::size_t group = panels >= 32 * threads ? 4 : panels >= 8 * threads ? 2 : 1, groups = (panels + group - 1) / group;
  // Even blocks, of whole pairs of bf16.
  const std::size_t blocks = M < kBlockM ? 1 : (M + kBlockM / 2) / kBlockM;
  const std::size_t block_rows = ((M + blocks - 1) / blocks + 1) / 2 * 2, most = steps_of<T>(block_rows);
  // Each thread packs its columns of dy; x is packed once, in thread 0's memory, for all.
  const std::size_t own = group * most * kPanelBytes, shared = strips * most * kTileRows * sizeof(float);
  reserve(pool, own);
  char* const packed = static_cast<char*>(pool.scratch(0, own + shared)) + own;
  const std::size_t packs = strips >= 8 * threads ? (strips + 7) / 8 : at_most(strips, threads);
  for (std::size_t m0 = 0; m0 < M; m0 += block_rows) {
    const std::size_t m1 = at_most(m0 + block_rows, M), steps = steps_of<T>(m1 - m0);
    const std::size_t work = (m1 - m0) * N * K;
    for_items(pool, work, packs, [&](std::size_t item, int) {
      const std::size_t s0 = cut(strips, packs, item), s1 = cut(strips, packs, item + 1);
      // 16 rows at a time, so that reads and writes both stay within a few pages.
      for (std::size_t m = m0; m < m1; m += 16) {
        for (std::size_t s = s0; s < s1; ++s) {
          pack_rows<kTileRows>(x, K, m, at_most(m + 16, m1), s * kTileRows, at_most(K - s * kTileRows, kTileRows),
                               packed + (s * steps + steps_of<T>(m - m0)) * kTileRows * sizeof(float));
        }
      }
    });
    // The stored values of the next tile, kTileRows rows of two lines each, fetched during this one.
    const std::size_t visits = steps / 8 * kTilePasses;
    const int lines = steps < 8 ? 0 : static_cast<int>((2 * kTileRows + visits - 1) / visits);
    for_items(pool, work, groups, [&](std::size_t item, int thread) {
      const std::size_t p0 = item * group, p1 = at_most(p0 + group, panels);
      char* const columns = static_cast<char*>(pool.scratch(thread, own));
      for (std::size_t p = p0; p < p1; ++p)
        pack_rows<32>(dy, N, m0, m1, 32 * p, at_most(N - 32 * p, 32), columns + (p - p0) * steps * kPanelBytes);
      for (std::size_t s = 0; s < strips; ++s) {
        const std::size_t k = s * kTileRows, rows = at_most(K - k, kTileRows);
        for (std::size_t p = p0; p < p1; ++p) {
          float* c = dw + (p * K + k) * 32;
          const float* next = p + 1 < p1 ? c + K * 32 : dw + (p0 * K + k + kTileRows) * 32;
          multiply_packed<T>(rows, steps, packed + s * steps * kTileRows * sizeof(float), columns + (p - p0) * steps * kPanelBytes,
                             c, accumulate || m0 > 0, Ahead{reinterpret_cast<const char*>(next), lines});
        }
      }
    });
  }
}

template <class T>
static void bias_gradient(ThreadPool& pool, std::size_t M, std::size_t N, const T* dy, float* dbias) {
  for_items(pool, 4 * M * N, (N + 63) / 64, [&](std::size_t item, int) {
    for (std::size_t n = item * 64; n < at_most(item * 64 + 64, N); n += 16) {
      v16 sum = load_some(dbias + n, N - n);
      for (std::size_t m = 0; m < M; ++m) sum = add16(sum, load_some(dy + m * N + n, N - n));
      store_some(dbias + n, sum, N - n);
    }
  });
}

template <class T> static void add(ThreadPool& pool, std::size_t count, T* target, const T* source) {
  constexpr std::size_t kBlock = 1 << 14;
  for_items(pool, 8 * count, (count + kBlock - 1) / kBlock, [&](std::size_t item, int) {
    const std::size_t end = at_most((item + 1) * kBlock, count);
    for (std::size_t i = item * kBlock; i < end; i += 16)
      store_some(target + i, add16(load_some(target + i, end - i), load_some(source + i, end - i)), end - i);
  });
}

// f64 has no fast form: those calls go to the reference.
static LinearKernels fast_linear() {
  LinearKernels kernels;
  kernels.forward = [](ThreadPool& pool, DType dtype, std::size_t M, std::size_t N, std::size_t K, const void* x,
                       const void* w, const void* bias, const void* residual, void* y, bool float32) {
    if (dtype == DType::f32)
      forward(pool, M, N, K, static_cast<const float*>(x), static_cast<const float*>(w), static_cast<const float*>(bias),
              static_cast<const float*>(residual), y, float32);
    else if (dtype == DType::bf16)
      forward(pool, M, N, K, static_cast<const bf16*>(x), static_cast<const bf16*>(w), static_cast<const bf16*>(bias),
              static_cast<const bf16*>(residual), y, float32);
    else linear_reference().forward(pool, dtype, M, N, K, x, w, bias, residual, y, float32);
  };
  kernels.input_gradient = [](ThreadPool& pool, DType dtype, std::size_t M, std::size_t N, std::size_t K, const void* dy,
                              const void* w, void* dx, bool accumulate) {
    if (dtype == DType::f32)
      input_gradient(pool, M, N, K, static_cast<const float*>(dy), static_cast<const float*>(w), static_cast<float*>(dx), accumulate);
    else if (dtype == DType::bf16)
      input_gradient(pool, M, N, K, static_cast<const bf16*>(dy), static_cast<const bf16*>(w), static_cast<bf16*>(dx), accumulate);
    else linear_reference().input_gradient(pool, dtype, M, N, K, dy, w, dx, accumulate);
  };
  kernels.weight_gradient = [](ThreadPool& pool, DType dtype, std::size_t M, std::size_t N, std::size_t K, const void* x,
                               const void* dy, void* dw, bool accumulate, PendingRows* pending) {
    if (dtype == DType::f32)
      weight_gradient(pool, M, N, K, static_cast<const float*>(x), static_cast<const float*>(dy), static_cast<float*>(dw),
                      accumulate);
    else if (dtype == DType::bf16)
      weight_gradient(pool, M, N, K, static_cast<const bf16*>(x), static_cast<const bf16*>(dy), static_cast<float*>(dw),
                      accumulate);
    else linear_reference().weight_gradient(pool, dtype, M, N, K, x, dy, dw, accumulate, pending);
  };
  kernels.gradient_block = [](DType, std::size_t) { return std::size_t{1}; };
  kernels.bias_gradient = [](ThreadPool& pool, DType dtype, std::size_t M, std::size_t N, const void* dy, void* dbias) {
    if (dtype == DType::f32) bias_gradient(pool, M, N, static_cast<const float*>(dy), static_cast<float*>(dbias));
    else if (dtype == DType::bf16) bias_gradient(pool, M, N, static_cast<const bf16*>(dy), static_cast<float*>(dbias));
    else linear_reference().bias_gradient(pool, dtype, M, N, dy, dbias);
  };
  kernels.add = [](ThreadPool& pool, DType dtype, std::size_t count, void* target, const void* source) {
    if (dtype == DType::f32) add(pool, count, static_cast<float*>(target), static_cast<const float*>(source));
    else if (dtype == DType::bf16) add(pool, count, static_cast<bf16*>(target), static_cast<const bf16*>(source));
    else linear_reference().add(pool, dtype, count, target, source);
  };
  return kernels;
}

}  // namespace GRPO_ISA_NS
}  // namespace grpo
