#pragma once
// Rearrangements that feed the register tile of gemm_tile_simd.h. Include from instruction-set files only.
#include <type_traits>

#include "kernels/gemm_tile_simd.h"

namespace grpo {
namespace GRPO_ISA_NS {

// 16 x 16 transpose: src rows are k, out rows are n, both 32 words apart. `rows` of k are valid, the others count as zero.
static inline void transpose_block(const float* src, float* out, std::size_t rows) {
#if defined(__AVX512F__)
  __m512 r[16], t[16];
#pragma GCC unroll 16
  for (std::size_t i = 0; i < 16; ++i) r[i] = i < rows ? _mm512_loadu_ps(src + 32 * i) : _mm512_setzero_ps();
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h) {
      const __m512d a = _mm512_castps_pd(t[4 * i + h]), b = _mm512_castps_pd(t[4 * i + 2 + h]);
      r[4 * i + 2 * h] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
      r[4 * i + 2 * h + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
    }
  }
  // r[4 g + c] holds, in 128-bit lane q, column 4 q + c of rows 4 g .. 4 g + 3.
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    const __m512 a = _mm512_shuffle_f32x4(r[c], r[4 + c], 0x88), b = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0x88);
    const __m512 d = _mm512_shuffle_f32x4(r[c], r[4 + c], 0xdd), e = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0xdd);
    _mm512_storeu_ps(out + 32 * c, _mm512_shuffle_f32x4(a, b, 0x88));
    _mm512_storeu_ps(out + 32 * (8 + c), _mm512_shuffle_f32x4(a, b, 0xdd));
    _mm512_storeu_ps(out + 32 * (4 + c), _mm512_shuffle_f32x4(d, e, 0x88));
    _mm512_storeu_ps(out + 32 * (12 + c), _mm512_shuffle_f32x4(d, e, 0xdd));
  }
#elif defined(__AVX2__)
  for (std::size_t half = 0; half < 16; half += 8) {
#pragma GCC unroll 2
    for (std::size_t side = 0; side < 16; side += 8) {
      __m256 r[8], t[8];
#pragma GCC unroll 8
      for (std::size_t i = 0; i < 8; ++i)
        r[i] = half + i < rows ? _mm256_loadu_ps(src + 32 * (half + i) + side) : _mm256_setzero_ps();
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
      }
      // r[4 g + c] holds, in 128-bit lane q, column 4 q + c of rows 4 g .. 4 g + 3.
#pragma GCC unroll 2
      for (int g = 0; g < 2; ++g) {
#pragma GCC unroll 2
        for (int h = 0; h < 2; ++h) {
          r[4 * g + 2 * h] = _mm256_shuffle_ps(t[4 * g + h], t[4 * g + 2 + h], 0x44);
          r[4 * g + 2 * h + 1] = _mm256_shuffle_ps(t[4 * g + h], t[4 * g + 2 + h], 0xee);
        }
      }
#pragma GCC unroll 4
      for (std::size_t c = 0; c < 4; ++c) {
        _mm256_storeu_ps(out + 32 * (side + c) + half, _mm256_permute2f128_ps(r[c], r[4 + c], 0x20));
        _mm256_storeu_ps(out + 32 * (side + 4 + c) + half, _mm256_permute2f128_ps(r[c], r[4 + c], 0x31));
      }
    }
  }
#else
  for (std::size_t j = 0; j < 16; ++j)
    for (std::size_t i = 0; i < 16; ++i) out[32 * j + i] = i < rows ? src[32 * i + j] : 0.0f;
#endif
}

// The same for pairs: src rows are pairs (k, k+1) of 16 columns n, out rows are pairs (n, n+1) of 16 columns k.
// Takes 8 rows of src and gives 8 rows of out; swapping the middle halves of 64 bits turns it into a transpose of 8 x 8.
static inline void transpose_block(const std::uint32_t* src, std::uint32_t* out, std::size_t rows) {
#if defined(__AVX512F__)
  const __m512i swap = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15));
  __m512i r[8], t[8];
#pragma GCC unroll 8
  for (std::size_t i = 0; i < 8; ++i)
    r[i] = i < rows ? _mm512_shuffle_epi8(_mm512_loadu_si512(src + 32 * i), swap) : _mm512_setzero_si512();
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    t[2 * i] = _mm512_unpacklo_epi64(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi64(r[2 * i], r[2 * i + 1]);
  }
  // t[2 g + c] holds, in 128-bit lane q, column 2 q + c of rows 2 g, 2 g + 1.
#pragma GCC unroll 2
  for (int c = 0; c < 2; ++c) {
    const __m512i a = _mm512_shuffle_i64x2(t[c], t[2 + c], 0x88), b = _mm512_shuffle_i64x2(t[4 + c], t[6 + c], 0x88);
    const __m512i d = _mm512_shuffle_i64x2(t[c], t[2 + c], 0xdd), e = _mm512_shuffle_i64x2(t[4 + c], t[6 + c], 0xdd);
    _mm512_storeu_si512(out + 32 * c, _mm512_shuffle_i64x2(a, b, 0x88));
    _mm512_storeu_si512(out + 32 * (4 + c), _mm512_shuffle_i64x2(a, b, 0xdd));
    _mm512_storeu_si512(out + 32 * (2 + c), _mm512_shuffle_i64x2(d, e, 0x88));
    _mm512_storeu_si512(out + 32 * (6 + c), _mm512_shuffle_i64x2(d, e, 0xdd));
  }
#elif defined(__AVX2__)
  const __m256i swap = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15));
  for (std::size_t half = 0; half < 8; half += 4) {
#pragma GCC unroll 2
    for (std::size_t side = 0; side < 8; side += 4) {
      __m256i r[4];
#pragma GCC unroll 4
      for (std::size_t i = 0; i < 4; ++i) {
        const auto* row = reinterpret_cast<const __m256i*>(src + 32 * (half + i) + 2 * side);
        r[i] = half + i < rows ? _mm256_shuffle_epi8(_mm256_loadu_si256(row), swap) : _mm256_setzero_si256();
      }
      // r[2 g], r[2 g + 1] unpacked hold, in 128-bit lane q, columns 2 q and 2 q + 1 of those two rows.
#pragma GCC unroll 2
      for (std::size_t c = 0; c < 2; ++c) {
        const __m256i a = c ? _mm256_unpackhi_epi64(r[0], r[1]) : _mm256_unpacklo_epi64(r[0], r[1]);
        const __m256i b = c ? _mm256_unpackhi_epi64(r[2], r[3]) : _mm256_unpacklo_epi64(r[2], r[3]);
        auto* to = out + 32 * (side + c) + 2 * half;
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_permute2x128_si256(a, b, 0x20));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 64), _mm256_permute2x128_si256(a, b, 0x31));
      }
    }
  }
#else
  for (std::size_t j = 0; j < 8; ++j) {
    for (std::size_t i = 0; i < 8; ++i) {
      const std::uint32_t a = i < rows ? src[32 * i + 2 * j] : 0, b = i < rows ? src[32 * i + 2 * j + 1] : 0;
      out[32 * j + 2 * i] = (a & 0xffffu) | b << 16;
      out[32 * j + 2 * i + 1] = a >> 16 | (b & 0xffff0000u);
    }
  }
#endif
}

// W^T from the panels of W (N, K): for n0 <= n < n1 (n0 a multiple of 32) and panels p0 <= p < p1 of 32 columns k,
//   out[p - p0][n - n0][32] in float32, out[p - p0][(n - n0) / 2][32] pairs (n, n+1) in bf16; `stride` words from p to p + 1.
// Columns beyond K are zero. Rows are written up to the end of n1's panel, where W holds zeros. fetch(at, lines) comes before the lines
// from `at` on are read.
template <class T, class Fetch>
static void transpose_panels(const T* w, std::size_t K, std::size_t p0, std::size_t p1, std::size_t n0, std::size_t n1,
                             float* out, std::size_t stride, Fetch&& fetch) {
  using Word = std::conditional_t<sizeof(T) == 2, std::uint32_t, float>;
  // A block is 16 columns n by 16 columns k.
  constexpr std::size_t kRows = sizeof(T) == 2 ? 8 : 16;
  const std::size_t steps = steps_of<T>(K), last = p1 * kRows * 2 < steps ? p1 * kRows * 2 : steps;
  for (std::size_t n = n0; n < n1; n += 32) {
    const Word* panel = reinterpret_cast<const Word*>(w) + n / 32 * steps * 32;
    for (std::size_t p = p0; p < p1; ++p) {
      Word* to = reinterpret_cast<Word*>(out + (p - p0) * stride) + (n - n0) / (16 / kRows) * 32;
      for (std::size_t g = 0; g < 2; ++g) {
        const std::size_t from = p * kRows * 2 + g * kRows, rows = last > from ? (last - from < kRows ? last - from : kRows) : 0;
        fetch(reinterpret_cast<const char*>(panel + from * 32), 2 * rows);
        for (std::size_t h = 0; h < 2; ++h) transpose_block(panel + from * 32 + 16 * h, to + h * kRows * 32 + 16 * g, rows);
      }
    }
  }
}

// The same, for runs of memory that are read once: the columns p0 .. p1 of a panel of W are one, the next panel's lie far away, beyond
// the reach of the hardware's prefetcher.
template <class T>
static void transpose_panels(const T* w, std::size_t K, std::size_t p0, std::size_t p1, std::size_t n0, std::size_t n1,
                             float* out, std::size_t stride) {
  const std::size_t next = steps_of<T>(K) * kPanelBytes;
  transpose_panels(w, K, p0, p1, n0, n1, out, stride, [=](const char* at, std::size_t lines) {
    for (std::size_t line = 0; line < lines; ++line) __builtin_prefetch(at + next + 64 * line, 0, 2);
  });
}

// Rows m0 .. m1 of a row-major matrix, columns c0 .. c0 + count (count <= WIDTH), as steps of a chain over rows:
//   out[m - m0][WIDTH] in float32; out[(m - m0) / 2][WIDTH] pairs in bf16, the earlier row in the HIGH half, so that the
//   hardware's order is the order of the rows; the last of an odd number of rows is paired with zero.
template <int WIDTH>
static void pack_rows(const float* x, std::size_t stride, std::size_t m0, std::size_t m1, std::size_t c0, std::size_t count,
                      void* out) {
  float* to = static_cast<float*>(out);
  for (std::size_t m = m0; m < m1; ++m, to += WIDTH) {
    const float* row = x + m * stride + c0;
    if (count == WIDTH) {
      std::memcpy(to, row, WIDTH * sizeof(float));
    } else {
      for (std::size_t i = 0; i < WIDTH; ++i) to[i] = i < count ? row[i] : 0.0f;
    }
  }
}

template <int WIDTH>
static void pack_rows(const bf16* x, std::size_t stride, std::size_t m0, std::size_t m1, std::size_t c0, std::size_t count,
                      void* out) {
  std::uint32_t* to = static_cast<std::uint32_t*>(out);
  for (std::size_t m = m0; m < m1; m += 2, to += WIDTH) {
    const bf16* row = x + m * stride + c0;
    std::uint16_t earlier[WIDTH], later[WIDTH];
    if (count == WIDTH && m + 1 < m1) {
      std::memcpy(earlier, row, sizeof(earlier));
      std::memcpy(later, row + stride, sizeof(later));
    } else {
      for (std::size_t i = 0; i < WIDTH; ++i) {
        earlier[i] = i < count ? row[i].bits : std::uint16_t{0};
        later[i] = i < count && m + 1 < m1 ? row[stride + i].bits : std::uint16_t{0};
      }
    }
#pragma GCC ivdep
    for (int i = 0; i < WIDTH; ++i) to[i] = static_cast<std::uint32_t>(earlier[i]) << 16 | later[i];
  }
}

}  // namespace GRPO_ISA_NS
}  // namespace grpo
