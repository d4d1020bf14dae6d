#pragma once
// The product that all of attention is made of, for a few rows at a time:
//   c[r][n] = (start: c[r][n] start[r], else 0) + sum_k a[r][k] b[k][n]
// One chain over k per element, in order; which rows and columns share a tile does not show. W is float, or a 32-bit word that
// holds a pair of bf16 (multiplied by dot_pairs); strides count words.
#include <utility>

#include "kernels/registers_simd.h"

namespace grpo {
namespace GRPO_ISA_NS {

// Most rows of a tile of 4, 2 and 1 vectors, whose accumulators fill the register file. Few rows take many vectors: their
// chains hide each other's latency.
#if defined(__AVX512F__)
constexpr int kRowsOf4 = 6, kRowsOf2 = 12, kTileRows = 12;
#else
constexpr int kRowsOf4 = 1, kRowsOf2 = 2, kTileRows = 6;
#endif

GRPO_INLINE v16 load_word(const float* p) { return load16(p); }
GRPO_INLINE p16 load_word(const std::uint32_t* p) { return load_pairs(p); }
GRPO_INLINE v16 set_word(float x) { return set16(x); }
GRPO_INLINE p16 set_word(std::uint32_t x) { return set_pair(x); }
GRPO_INLINE v16 multiply_add(v16 acc, v16 a, v16 b) { return fma16(a, b, acc); }
GRPO_INLINE v16 multiply_add(v16 acc, p16 a, p16 b) { return dot_pairs(acc, a, b); }

// Columns come in panels of 32: column n of row k lies at b[k * b_row + (n / 32) * b_panel + n % 32].
template <class W>
struct Product {
  std::size_t steps;
  const W* a;
  std::size_t a_row, a_step;
  const W* b;
  std::size_t b_row, b_panel;
  float* c;
  std::size_t c_row;
  const float* start;  // (rows) or nullptr
  std::ptrdiff_t ahead = 0;  // words from b to what is read after it, which is fetched into L2 meanwhile; or 0
};

template <class W, int R, int NV>
static void product_tile(const Product<W>& p) {
  v16 acc[R][NV];
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) acc[i][j] = zero16();
  if (p.start) {
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < NV; ++j) acc[i][j] = mul16(load16(p.c + i * p.c_row + 16 * j), set16(p.start[i]));
  }
  // A base for every three rows: the rows between are one scaled index away.
  const std::size_t a_row = p.a_row, a_step = p.a_step, b_row = p.b_row, b_panel = p.b_panel;
  const std::ptrdiff_t ahead = p.ahead;
  const W *a0 = p.a, *a3 = a0 + 3 * a_row, *a6 = a0 + 6 * a_row, *a9 = a0 + 9 * a_row, *b = p.b;
  for (std::size_t k = p.steps; k > 0; --k) {
    decltype(load_word(b)) row[NV];
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) row[j] = load_word(b + (j / 2) * b_panel + (j % 2) * 16);
    if (ahead != 0) {
#pragma GCC unroll 4
      for (int j = 0; j < NV; ++j) __builtin_prefetch(b + ahead + (j / 2) * static_cast<std::ptrdiff_t>(b_panel) + (j % 2) * 16, 0, 2);
    }
#pragma GCC unroll 16
    for (int i = 0; i < R; ++i) {
      const auto x = set_word((i < 3 ? a0 : i < 6 ? a3 : i < 9 ? a6 : a9)[(i % 3) * a_row]);
#pragma GCC unroll 4
      for (int j = 0; j < NV; ++j) acc[i][j] = multiply_add(acc[i][j], x, row[j]);
    }
    a0 += a_step;
    a3 += a_step;
    a6 += a_step;
    a9 += a_step;
    b += b_row;
  }
#pragma GCC unroll 16
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < NV; ++j) store16(p.c + i * p.c_row + 16 * j, acc[i][j]);
}

template <class W, int NV, int... R>
GRPO_INLINE void product_rows(std::integer_sequence<int, R...>, std::size_t rows, const Product<W>& p) {
  static constexpr void (*tiles[])(const Product<W>&) = {product_tile<W, R + 1, NV>...};
  tiles[rows - 1](p);
}

// At most kTileRows rows; `columns` is a multiple of 16.
template <class W>
static void product(std::size_t rows, std::size_t columns, Product<W> p) {
  const W* b = p.b;
  float* c = p.c;
  for (std::size_t n = 0; n < columns;) {
    p.b = b + (n / 32) * p.b_panel + n % 32;
    p.c = c + n;
    if (rows <= kRowsOf4 && columns - n >= 64) {
      product_rows<W, 4>(std::make_integer_sequence<int, kRowsOf4>{}, rows, p);
      n += 64;
    } else if (rows <= kRowsOf2 && columns - n >= 32) {
      product_rows<W, 2>(std::make_integer_sequence<int, kRowsOf2>{}, rows, p);
      n += 32;
    } else {
      product_rows<W, 1>(std::make_integer_sequence<int, kTileRows>{}, rows, p);
      n += 16;
    }
  }
}

// Rows that each have a b of their own, `own` words from p.b, for 16 columns: together their chains hide each other's latency.
template <class W, int R>
static void product_own_tile(const Product<W>& p, const std::ptrdiff_t* own) {
  v16 acc[R];
  const W* b[R];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) {
    acc[i] = mul16(load16(p.c + i * p.c_row), set16(p.start[i]));
    b[i] = p.b + own[i];
  }
  for (std::size_t k = 0; k < p.steps; ++k)
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) acc[i] = multiply_add(acc[i], set_word(p.a[i * p.a_row + k]), load_word(b[i] + k * p.b_row));
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) store16(p.c + i * p.c_row, acc[i]);
}

constexpr std::size_t kOwnRows = 6;

// 2 to kOwnRows rows.
template <class W>
static void product_own(std::size_t rows, const Product<W>& p, const std::ptrdiff_t* own) {
  static constexpr void (*tiles[])(const Product<W>&, const std::ptrdiff_t*) = {
      product_own_tile<W, 2>, product_own_tile<W, 3>, product_own_tile<W, 4>, product_own_tile<W, 5>, product_own_tile<W, 6>};
  tiles[rows - 2](p, own);
}

#if defined(__AMX_BF16__)
// Most rows of a tile of attention.
template <class T> constexpr std::size_t kAttentionRows = sizeof(T) == sizeof(bf16) ? kAmxRows : kTileRows;

// The product with a_step 1 on tile registers, over the first `halves` bf16 of each row of a; what follows them counts as zero.
// At most kAmxRows rows; `columns` is a multiple of 32.
template <bool BOTH>
static void product_tiles(TileRegisters& registers, std::size_t rows, std::size_t columns, std::size_t halves, const Product<std::uint32_t>& p) {
  registers.set_up(rows);
  const std::size_t whole = halves / 32, rest = halves % 32, a_pitch = p.a_row * 4, b_pitch = p.b_row * 4;
  const char* const a = reinterpret_cast<const char*>(p.a);
  alignas(64) std::uint32_t last_a[kAmxRows * kAmxSteps], last_b[kAmxSteps * 32];
  if (rest > 0) {
    std::memset(last_a, 0, rows * kAmxSteps * 4);
    for (std::size_t r = 0; r < rows; ++r) std::memcpy(last_a + r * kAmxSteps, a + r * a_pitch + whole * 64, rest * 2);
  }
  for (std::size_t n = 0; n < columns; n += 32) {
    const std::uint32_t* const b = p.b + n / 32 * p.b_panel;
    for (std::size_t i = 0; p.ahead != 0 && i < (halves + 1) / 2; ++i) {
      __builtin_prefetch(b + p.ahead + static_cast<std::ptrdiff_t>(i * p.b_row), 0, 2);
      __builtin_prefetch(b + p.ahead + static_cast<std::ptrdiff_t>(i * p.b_row) + 16, 0, 2);
    }
    start_tiles<BOTH>(p.c + n, p.c_row, p.start != nullptr);
    for (std::size_t i = 0; i < whole; ++i)
      step_tiles<BOTH>(a + 64 * i, a + 16 * a_pitch + 64 * i, a_pitch, reinterpret_cast<const char*>(b + i * kAmxSteps * p.b_row), b_pitch);
    if (rest > 0) {
      std::memset(last_b, 0, sizeof(last_b));
      for (std::size_t i = 0; i < (rest + 1) / 2; ++i) std::memcpy(last_b + 32 * i, b + (whole * kAmxSteps + i) * p.b_row, 128);
      // The second of the last pair need not be there.
      for (std::size_t j = 0; rest % 2 == 1 && j < 32; ++j) last_b[rest / 2 * 32 + j] &= 0xffffu;
      step_tiles<BOTH>(reinterpret_cast<const char*>(last_a), reinterpret_cast<const char*>(last_a + 16 * kAmxSteps), 64,
                       reinterpret_cast<const char*>(last_b), 128);
    }
    finish_tiles<BOTH>(p.c + n, p.c_row);
  }
}
#else
// Most rows of a tile of attention.
template <class T> constexpr std::size_t kAttentionRows = kTileRows;
#endif

// Cuts n rows into tiles of at most `most` rows, evenly unless they are tiles of registers, and calls body(first, rows).
template <class F>
GRPO_INLINE void each_tile(std::size_t most, std::size_t n, F&& body) {
  if (most > static_cast<std::size_t>(kTileRows)) {
    for (std::size_t first = 0; first < n; first += most) body(first, n - first < most ? n - first : most);
    return;
  }
  const std::size_t tiles = (n + most - 1) / most;
  for (std::size_t t = 0, first = 0; t < tiles; ++t) {
    const std::size_t rows = n / tiles + (t < n % tiles ? 1 : 0);
    body(first, rows);
    first += rows;
  }
}

}  // namespace GRPO_ISA_NS
}  // namespace grpo
