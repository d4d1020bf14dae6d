#pragma once
// The fast form of kernels/square_sums.h for f32. Include from instruction-set files only.
#include "core/simd.h"
#include "kernels/split.h"
#include "kernels/square_sums.h"

namespace grpo {
namespace GRPO_ISA_NS {

// Sixteen float64 lanes.
#if defined(__AVX512F__)
struct d16 { __m512d v[2]; };
GRPO_INLINE d16 zero_d16() { return {{_mm512_setzero_pd(), _mm512_setzero_pd()}}; }
GRPO_INLINE void add_squares(d16& to, v16 a) {
  const __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(a.v)), high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(a.v, 1));
  to.v[0] = _mm512_fmadd_pd(low, low, to.v[0]);
  to.v[1] = _mm512_fmadd_pd(high, high, to.v[1]);
}
GRPO_INLINE void store_d16(double* p, const d16& a) {
  _mm512_storeu_pd(p, a.v[0]);
  _mm512_storeu_pd(p + 8, a.v[1]);
}
#elif defined(__AVX2__)
struct d16 { __m256d v[4]; };
GRPO_INLINE d16 zero_d16() { return {{_mm256_setzero_pd(), _mm256_setzero_pd(), _mm256_setzero_pd(), _mm256_setzero_pd()}}; }
GRPO_INLINE void add_squares(d16& to, v16 a) {
  const __m128 quarter[4] = {_mm256_castps256_ps128(a.a), _mm256_extractf128_ps(a.a, 1), _mm256_castps256_ps128(a.b), _mm256_extractf128_ps(a.b, 1)};
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const __m256d wide = _mm256_cvtps_pd(quarter[i]);
    to.v[i] = _mm256_fmadd_pd(wide, wide, to.v[i]);
  }
}
GRPO_INLINE void store_d16(double* p, const d16& a) {
  for (int i = 0; i < 4; ++i) _mm256_storeu_pd(p + 4 * i, a.v[i]);
}
#else
struct d16 { float64x2_t v[8]; };
GRPO_INLINE d16 zero_d16() {
  d16 r;
  for (int i = 0; i < 8; ++i) r.v[i] = vdupq_n_f64(0.0);
  return r;
}
GRPO_INLINE void add_squares(d16& to, v16 a) {
  for (int i = 0; i < 4; ++i) {
    const float64x2_t low = vcvt_f64_f32(vget_low_f32(a.v[i])), high = vcvt_high_f64_f32(a.v[i]);
    to.v[2 * i] = vfmaq_f64(to.v[2 * i], low, low);
    to.v[2 * i + 1] = vfmaq_f64(to.v[2 * i + 1], high, high);
  }
}
GRPO_INLINE void store_d16(double* p, const d16& a) {
  for (int i = 0; i < 8; ++i) vst1q_f64(p + 2 * i, a.v[i]);
}
#endif

static double square_sum(const float* values, std::size_t n) {
  d16 sum = zero_d16();
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) add_squares(sum, load16(values + i));
  if (i < n) add_squares(sum, load16_n(values + i, n - i, 0.0f));
  double lane[16];
  store_d16(lane, sum);
  for (int step = 8; step > 0; step /= 2)
    for (int l = 0; l < step; ++l) lane[l] += lane[l + step];
  return lane[0];
}

static void square_sums(ThreadPool& pool, DType dtype, std::size_t count, const void* values, double* sums) noexcept {
  if (dtype != DType::f32) return grpo::square_sums(pool, dtype, count, values, sums);
  const float* from = static_cast<const float*>(values);
  for_ranges(pool, (count + kSquareChunk - 1) / kSquareChunk, kSquareChunk, [&](std::size_t begin, std::size_t end) {
    for (std::size_t j = begin; j < end; ++j) {
      const std::size_t start = j * kSquareChunk;
      sums[j] = square_sum(from + start, count - start < kSquareChunk ? count - start : kSquareChunk);
    }
  });
}

}  // namespace GRPO_ISA_NS
}  // namespace grpo
