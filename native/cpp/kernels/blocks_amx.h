#pragma once
// Blocks of 32 by 32 numbers for the tile registers of AMX (amx_tiles.h), and products of float32 in them: every number is the sum of
// three bf16, x = x0 + x1 + x2, each the nearest to what the earlier leave (halves go up), which is exact: 3 times 8 bits. A product
// takes six of the nine pairs of parts, block after block of 32 elements of the reduction:
//   c = c + x0 y2 + x1 y1 + x0 y1 + x2 y0 + x1 y0 + x0 y0,  each a tdpbf16ps (amx_tiles.h)
// What is left out is at most 2^-23 of |x y|, mostly far less and of either sign; c is rounded 6 times in 32 elements, not 32 times: the
// errors are below those of a chain (tests/native/linear-paths.test.ts). Infinity and numbers within 2^-9 of the largest make NaN; parts
// below 2^-126 count as zero. Include from files named *_amx.cpp only.
// Source: Henry, Tang, Heinecke 2019, "Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision Computations".
#include "kernels/gemm_pack_simd.h"
#include "kernels/partial_simd.h"
#include "kernels/registers_simd.h"

namespace grpo {
namespace GRPO_ISA_NS {

// Columns K of a weight from which its float32 gradients are made of parts; for narrower ones it would not pay.
constexpr std::size_t kSplitWidth = 320;

// A block of 32 elements of the reduction, by 32 rows of A or columns of B: 16 lines of 32 words, of float32 three times, one for each
// part. Of A, line r is row r beside row r + 16, 16 pairs each; of B, line i is pair i of the 32 columns.
constexpr std::size_t kPartWords = kAmxSteps * 32;
template <class T> constexpr std::size_t kBlockWords = (sizeof(T) == 4 ? 3 : 1) * kPartWords;

// The first part of what `x` still holds, as a float whose low half is zero; the rest stays in x.
GRPO_INLINE __m512i take_part(v16& x) {
  const __m512i half = _mm512_set1_epi32(0x8000), mask = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
  const __m512i part = _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(x.v), half), mask);
  x.v = _mm512_sub_ps(x.v, _mm512_castsi512_ps(part));
  return part;
}

// Parts of two vectors as words: the first in the low halves.
GRPO_INLINE void split_pairs(v16 low, v16 high, std::uint32_t* to) {
#pragma GCC unroll 3
  for (std::size_t part = 0; part < 3; ++part) {
    const __m512i a = take_part(low), b = take_part(high);
    _mm512_store_si512(to + part * kPartWords, _mm512_or_si512(_mm512_srli_epi32(a, 16), b));
  }
}

// Parts of 32 numbers in a row, as 16 pairs.
GRPO_INLINE void split_row(v16 x, v16 y, std::uint32_t* to) {
  const __m512i odd = _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33, 31, 29, 27, 25, 23, 21, 19, 17, 15,
                                       13, 11, 9, 7, 5, 3, 1);
#pragma GCC unroll 3
  for (std::size_t part = 0; part < 3; ++part) {
    const __m512i a = take_part(x), b = take_part(y);
    _mm512_store_si512(to + part * kPartWords, _mm512_permutex2var_epi16(a, odd, b));
  }
}

// The first n of 32 numbers, zeros after them.
struct Line {
  v16 x, y;
};
GRPO_INLINE Line load_line(const float* p, std::size_t n) {
  return {n >= 16 ? load16(p) : n > 0 ? load_first(p, n) : zero16(),
          n >= 32 ? load16(p + 16) : n > 16 ? load_first(p + 16, n - 16) : zero16()};
}

// Where row r of a block of A starts.
constexpr std::size_t row_at(std::size_t r) { return r % 16 * 32 + r / 16 * 16; }

// A block of A from 32 lines of 32 numbers, `stride` apart: of the first `rows` lines the first `columns`, zeros elsewhere.
static void pack_lines(std::size_t rows, std::size_t columns, const float* from, std::size_t stride, std::uint32_t* to) {
  for (std::size_t r = 0; r < 32; ++r) {
    const Line line = load_line(from + r * stride, r < rows ? columns : 0);
    split_row(line.x, line.y, to + row_at(r));
  }
}

// A part of a block of A as one of B whose columns are its rows, or the other way round.
GRPO_INLINE void turn_part(const std::uint32_t* from, std::uint32_t* to) {
  for (std::size_t half = 0; half < 32; half += 16)
    transpose_block(reinterpret_cast<const float*>(from) + half, reinterpret_cast<float*>(to) + half, 16);
}

// A block of B whose columns are 32 lines of 32 numbers; as pack_lines.
static void pack_turned(std::size_t rows, std::size_t columns, const float* from, std::size_t stride, std::uint32_t* to) {
  alignas(64) std::uint32_t block[kBlockWords<float>];
  pack_lines(rows, columns, from, stride, block);
  for (std::size_t part = 0; part < kBlockWords<float>; part += kPartWords) turn_part(block + part, to + part);
}

// Products of tiles of A in a block.
template <class T> constexpr std::size_t kBlockSteps = sizeof(T) == 4 ? 6 : 1;

// What comes from L2 next, asked into L1 line by line.
struct Near {
  const char* at;

  template <int LINES>
  __attribute__((always_inline)) void fetch() {
#pragma GCC unroll 32
    for (int line = 0; line < LINES; ++line) __builtin_prefetch(at + 64 * line, 0, 3);
    at += 64 * LINES;
  }
};
// Lines in a step that make a block.
template <class T> constexpr int kStepLines = kBlockWords<T> / 16 / kBlockSteps<T>;

// c (rows, 32) continues over `blocks` blocks, rows 16 and on if BOTH; meanwhile() is called kBlockSteps times in each.
template <class T, bool BOTH, class F>
GRPO_INLINE void multiply_blocks(std::size_t blocks, const std::uint32_t* a, const std::uint32_t* b, float* c, bool from_c, F&& meanwhile) {
  start_tiles<BOTH>(c, 32, from_c);
  const auto load_b = [&](std::size_t part) __attribute__((always_inline)) {
    _tile_loadd(6, b + part * kPartWords, 128);
    _tile_loadd(7, b + part * kPartWords + 16, 128);
  };
  const auto step = [&](std::size_t part) __attribute__((always_inline)) {
    _tile_loadd(4, a + part * kPartWords, 128);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    if (BOTH) {
      _tile_loadd(5, a + part * kPartWords + 16, 128);
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    }
    meanwhile();
  };
  for (const std::uint32_t* const end = a + blocks * kBlockWords<T>; a < end; a += kBlockWords<T>, b += kBlockWords<T>) {
    if (sizeof(T) == 4) {
      load_b(2);
      step(0);
      load_b(1);
      step(1);
      step(0);
      load_b(0);
      step(2);
      step(1);
      step(0);
    } else {
      load_b(0);
      step(0);
    }
  }
  finish_tiles<BOTH>(c, 32);
}

// A tile of 32 by 32 results the other way round; `to` may be `from`.
static void turn_tile(const float* from, float* to) {
  alignas(64) float c[32 * 32];
  for (std::size_t corner = 0; corner < 4; ++corner)
    transpose_block(from + corner / 2 * 16 * 32 + corner % 2 * 16, c + corner % 2 * 16 * 32 + corner / 2 * 16, 16);
  std::memcpy(to, c, sizeof(c));
}

}  // namespace GRPO_ISA_NS
}  // namespace grpo
